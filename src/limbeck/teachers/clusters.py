"""Which classes a model confuses with each other (Hinton, Vinyals, Dean 2015, section 5.3)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from limbeck.checks import temperature_in_range, whole
from limbeck.errors import LimbeckError
from limbeck.functional import softened


@dataclass(frozen=True)
class Clusters:
    """Groups of classes, each for one specialist.

    Args:
        groups: class indices of each group, rising; groups of one class are left out, since nothing is confused there.
        alone: classes that k-means put into groups of their own, rising.
    """

    groups: tuple[tuple[int, ...], ...]
    alone: tuple[int, ...] = ()

    def describe(self, names: Sequence[str] | None = None) -> str:
        """Return the groups in words, one a line.

        Args:
            names: of the classes, in order; their indices unless given.

        Example:
            >>> print(Clusters(((0, 2), (3, 4)), alone=(1,)).describe(["cat", "sun", "lynx", "oak", "elm"]))
            specialist 1: cat, lynx
            specialist 2: oak, elm
            with no specialist, since confused with nothing: sun
        """

        def told(classes: Sequence[int]) -> str:
            return ", ".join(str(each) if names is None else names[each] for each in classes)

        lines = [f"specialist {number}: {told(group)}" for number, group in enumerate(self.groups, start=1)]
        if self.alone:
            lines.append(f"with no specialist, since confused with nothing: {told(self.alone)}")
        return "\n".join(lines)


def confused_classes(
    logits: Tensor, clusters: int, classes_each: int | None = None, temperature: float = 10.0, seed: int = 0
) -> Clusters:
    """Return the classes that a generalist often predicts together, grouped by k-means; no labels are needed.

    Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015, arXiv 1503.02531, section 5.3.

    Definition:
        With p_n = softmax(z_n / T) the predictions on the transfer set, the columns of their covariance matrix Σ (C, C)
        are clustered. With ``classes_each``, a group S is replaced by the so many classes c of the largest
        mean_{s ∈ S} Σ_cs, so that groups overlap and a class may have several specialists.

    Differs from the paper:
        The paper has an on-line k-means (here scikit-learn's, ten starts) and does not speak of a temperature. At
        T = 1 a sure model's covariance is nearly diagonal, all columns are equally far apart, and k-means splits off
        one class after the other. Of 40 classes in 8 families of 5, with generalists that err within families, T = 1
        found the families where one was 54 % right, but four singletons and a group of 23 at 83 %, seven and a group
        of 33 at 99 %; T = 10 found them in all three. The paper's 61 specialists had 300 of 15,000 classes each; how
        they came to overlap is not told.

    Args:
        logits: (N, C) of the generalist, on the transfer set.
        clusters: how many groups k-means makes, 2 or more.
        classes_each: classes of each group; as k-means has it unless told.
        temperature: T > 0 by which the predictions are softened; raise it where one group is huge.
        seed: of k-means.

    Raises:
        LimbeckError: not (N, C) logits of two samples or more; settings out of range; predictions too alike for so many
            groups; only groups of one class.

    Example:
        >>> logits = torch.randn(64, 2).repeat_interleave(2, 1) * 5  # 0 goes with 1, 2 with 3
        >>> confused_classes(logits + torch.randn(64, 4), clusters=2).groups
        ((0, 1), (2, 3))
    """
    if logits.dim() != 2 or len(logits) < 2:
        raise LimbeckError(
            f"Classes are clustered by logits (N, C) on two samples or more, not {tuple(logits.shape)}."
        )
    classes = logits.shape[1]
    clusters = whole("clusters", clusters, 2)
    if clusters >= classes:
        raise LimbeckError(f"{clusters} clusters of {classes} classes leave none to confuse: ask for fewer.")
    if classes_each is not None and not 2 <= whole("classes_each", classes_each, 2) < classes:
        raise LimbeckError(
            f"A specialist of {classes_each} classes of {classes} has no other left for its dustbin: give it fewer."
        )
    predictions = softened(logits.detach().cpu().double(), temperature_in_range(temperature))
    covariance = torch.cov(predictions.T)
    groups = _by_kmeans(covariance, clusters, seed)
    if classes_each is not None:
        return Clusters(tuple(_nearest(covariance, group, classes_each) for group in groups))
    kept = tuple(group for group in groups if len(group) > 1)
    if not kept:
        raise LimbeckError(f"Every one of the {clusters} clusters is a single class: ask for fewer clusters.")
    return Clusters(kept, tuple(sorted(group[0] for group in groups if len(group) == 1)))


def _by_kmeans(covariance: Tensor, clusters: int, seed: int) -> list[tuple[int, ...]]:
    """Return the groups in order of their first class, so that they do not depend on k-means' numbering."""
    from sklearn.cluster import KMeans

    distinct = len(torch.unique(covariance, dim=1).T)
    if distinct < clusters:  # or k-means would leave clusters empty
        raise LimbeckError(
            f"The predictions tell only {distinct} groups of classes apart, not {clusters}: ask for fewer clusters, or "
            "give logits of more samples."
        )
    # By its largest entry: a model that hardly wavers has entries that k-means' tolerance would take for 0.
    columns = (covariance / covariance.abs().max()).T.numpy()
    found = KMeans(clusters, n_init=10, random_state=seed).fit_predict(columns)
    groups = [tuple((found == number).nonzero()[0].tolist()) for number in range(clusters)]
    return sorted(group for group in groups if group)


def _nearest(covariance: Tensor, group: Sequence[int], classes_each: int) -> tuple[int, ...]:
    """Return the classes most often predicted together with those of the group."""
    together = covariance[:, list(group)].mean(1)
    return tuple(sorted(together.topk(classes_each).indices.tolist()))
