"""The laws are no decoration: each mistake that was found in a public toolkit (PITFALLS) breaks the law it should."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cases import Case
from laws import ALWAYS, OPTIONAL, WRITTEN
from limbeck.errors import LimbeckError
from limbeck.functional import soft_kl
from limbeck.losses import DistillationLoss, LogitRegression

LAWS = ALWAYS | OPTIONAL | WRITTEN
VECTORS, MAPS = (6, 10), (4, 6, 5, 3)


class Wrong(DistillationLoss):
    """A loss with a mistake."""

    paper = "Nobody 2024"

    def __init__(self, scale: float = 1.0):
        super().__init__()
        self.scale = scale


class TeachesTheTeacher(Wrong):
    def forward(self, student, teacher, context=None):
        return soft_kl(student, teacher)


class DividesByClasses(Wrong):
    def forward(self, student, teacher, context=None):
        return F.kl_div(student.log_softmax(-1), teacher.detach().softmax(-1), reduction="none").mean()


class SumsOverTheBatch(Wrong):
    def forward(self, student, teacher, context=None):
        return (student - teacher.detach()).square().sum()


class TakesTheLogOfASoftmax(Wrong):
    def forward(self, student, teacher, context=None):
        q = teacher.detach().softmax(-1)
        return (q * (q.log() - student.softmax(-1).log())).sum() / len(student)


class MinimisesACorrelation(Wrong):
    def forward(self, student, teacher, context=None):
        return F.cosine_similarity(student, teacher.detach(), dim=-1).mean()


class TakesTheLogOfADistance(Wrong):
    def forward(self, student, teacher, context=None):
        return (student - teacher.detach()).abs().pow(4).sum().log()


class TakesTheRootOfADistance(Wrong):
    def forward(self, student, teacher, context=None):
        return (student - teacher.detach()).square().sum(-1).sqrt().mean()


class AddsAnEpsilonThatUnderflows(Wrong):
    def forward(self, student, teacher, context=None):
        return (student - student.roll(1, 0)).div((student - student.roll(1, 0)).norm() + 1e-12).float().sum()


class KeepsHalfPrecision(Wrong):
    def forward(self, student, teacher, context=None):
        return (student - teacher.detach()).square().sum(-1).mean()


class RoundsAProduct(Wrong):
    def forward(self, student, teacher, context=None):
        return (student @ student.T - teacher.detach() @ teacher.detach().T).float().square().mean()


class LeavesOneDimension(Wrong):
    def forward(self, student, teacher, context=None):
        return (student - teacher.detach()).square().sum().view(1)


class ChangesItsInputs(Wrong):
    def forward(self, student, teacher, context=None):
        return (student - teacher.detach().sub_(1)).square().mean()


class ThinksMapsAreSquare(Wrong):
    place = "last map"

    def forward(self, student, teacher, context=None):
        side = student.shape[2]
        return (student - teacher.detach()).reshape(len(student), -1, side * side).square().mean()


class DropsTheBatchAxis(Wrong):
    def forward(self, student, teacher, context=None):
        return (student.squeeze() - teacher.detach().squeeze()).square().sum(1).mean()


class ViewsWhatIsScattered(Wrong):
    def forward(self, student, teacher, context=None):
        return (student.view(-1) - teacher.detach().view(-1)).square().mean()


class Broadcasts(Wrong):
    same_shape = False

    def forward(self, student, teacher, context=None):
        return (student.mean(-1) - teacher.detach().mean(-1)[:, None]).square().mean()


class HidesItsParametersInAList(Wrong):
    def __init__(self):
        super().__init__()
        self.scales = [nn.Parameter(torch.zeros(10))]

    def forward(self, student, teacher, context=None):
        return ((student - teacher.detach()) * self.scales[0].exp()).square().mean()


class HasAParameterThatNeverLearns(Wrong):
    def __init__(self):
        super().__init__()
        self.spare = nn.Parameter(torch.zeros(10))

    def forward(self, student, teacher, context=None):
        return (student - teacher.detach()).square().mean()


class KeepsAHiddenMemory(Wrong):
    def forward(self, student, teacher, context=None):
        self.memory = getattr(self, "memory", torch.zeros(())) + 1
        return (student - teacher.detach()).square().mean() * self.memory


class SharesItsState(Wrong):
    memory = torch.zeros(10)

    def __init__(self):
        super().__init__()
        self.register_buffer("known", SharesItsState.memory)
        self.weight = nn.Parameter(torch.ones(10))

    def forward(self, student, teacher, context=None):
        self.known.add_(1.0)
        return ((student - teacher.detach()) * self.weight).square().mean()


class ForgetsItsMemoryWhenSaved(Wrong):
    def __init__(self):
        super().__init__()
        self.register_buffer("known", torch.zeros(()), persistent=False)

    def forward(self, student, teacher, context=None):
        self.known = self.known + 1
        return (student - teacher.detach()).square().mean() * self.known


class RelatesSamplesInSilence(Wrong):
    def forward(self, student, teacher, context=None):
        return (student @ student.T - teacher.detach() @ teacher.detach().T).square().mean()


class DoesNotCheck(Wrong):
    def forward(self, student, teacher, context=None):
        return (student - teacher.detach()).square().mean()


class Reverses(torch.autograd.Function):
    @staticmethod
    def forward(ctx, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return -gradient


class HasTheWrongGradient(Wrong):
    def forward(self, student, teacher, context=None):
        return (Reverses.apply(student) - teacher.detach()).square().mean()


@pytest.mark.parametrize(
    ("wrong", "law"),
    [
        (TeachesTheTeacher, "never_teaches_the_teacher"),
        (DividesByClasses, "unchanged_when_channels_are_replicated"),
        (SumsOverTheBatch, "unchanged_when_the_batch_is_repeated"),
        (SumsOverTheBatch, "mean_over_samples"),
        (TakesTheLogOfASoftmax, "is_finite_where_others_break"),
        (MinimisesACorrelation, "minds_the_sign"),
        (MinimisesACorrelation, "is_larger_for_an_independent_tensor_than_for_the_same"),
        (MinimisesACorrelation, "grows_along_a_perturbation"),
        (TakesTheLogOfADistance, "is_finite_where_others_break"),
        (TakesTheRootOfADistance, "is_finite_where_others_break"),
        (AddsAnEpsilonThatUnderflows, "is_finite_under_autocast"),
        (KeepsHalfPrecision, "is_finite_under_autocast"),
        (RoundsAProduct, "half_precision_is_near_full"),
        (LeavesOneDimension, "is_a_single_precision_scalar"),
        (ChangesItsInputs, "leaves_its_inputs_alone"),
        (ThinksMapsAreSquare, "is_a_single_precision_scalar"),
        (DropsTheBatchAxis, "takes_few_samples_or_says_why_not"),
        (ViewsWhatIsScattered, "reads_tensors_however_they_lie_in_memory"),
        (Broadcasts, "refuses_other_samples"),
        (HidesItsParametersInAList, "keeps_no_tensor_out_of_its_state"),
        (HasAParameterThatNeverLearns, "every_parameter_learns"),
        (KeepsAHiddenMemory, "keeps_no_tensor_out_of_its_state"),
        (KeepsAHiddenMemory, "gives_the_same_value_again"),
        (SharesItsState, "copies_are_apart"),
        (ForgetsItsMemoryWhenSaved, "state_round_trips"),
        (RelatesSamplesInSilence, "says_so_where_samples_count_together"),
        (DoesNotCheck, "refuses_shapes_that_differ"),
        (DoesNotCheck, "refuses_settings_out_of_range"),
        (DoesNotCheck, "shows_its_settings"),
        (DoesNotCheck, "tells_what_it_does"),
        (HasTheWrongGradient, "has_the_gradient_of_finite_differences"),
        (HasTheWrongGradient, "falls_under_gradient_descent"),
    ],
    ids=lambda each: each if isinstance(each, str) else each.__name__,
)
def test_mistake_breaks_the_law_it_should(wrong, law):
    case = Case(wrong, shape=MAPS if wrong is ThinksMapsAreSquare else VECTORS)
    with pytest.raises((AssertionError, LimbeckError, RuntimeError, IndexError, pytest.fail.Exception)):
        LAWS[law](case)


@pytest.mark.parametrize("law", ALWAYS)
def test_right_loss_breaks_none(law):
    ALWAYS[law](Case(LogitRegression))
