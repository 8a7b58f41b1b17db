"""The schemes of `limbeck distill --scheme`: their settings, and how each run is put together."""

from typing import Annotated, Any, TypeAlias, Union

from pydantic import BeforeValidator, Field

from limbeck.errors import did_you_mean
from limbeck.recipes.schemes.assistant import AssistantRecipe
from limbeck.recipes.schemes.augmentation_by_teacher import AugmentationByTeacherRecipe
from limbeck.recipes.schemes.base import SchemeRecipe
from limbeck.recipes.schemes.be_your_own_teacher import BeYourOwnTeacherRecipe
from limbeck.recipes.schemes.born_again import BornAgainRecipe
from limbeck.recipes.schemes.collaborative import CollaborativeRecipe
from limbeck.recipes.schemes.data_distillation import DataDistillationRecipe
from limbeck.recipes.schemes.data_free import DataFreeRecipe
from limbeck.recipes.schemes.hints import HintsRecipe
from limbeck.recipes.schemes.last_epochs import LastEpochsRecipe
from limbeck.recipes.schemes.mean_teacher import MeanTeacherRecipe
from limbeck.recipes.schemes.merged import MergedRecipe
from limbeck.recipes.schemes.mutual import MutualRecipe
from limbeck.recipes.schemes.offline import OfflineRecipe
from limbeck.recipes.schemes.omitted_classes import OmittedClassesRecipe
from limbeck.recipes.schemes.private_teachers import PrivateTeachersRecipe
from limbeck.recipes.schemes.progressive import ProgressiveRecipe
from limbeck.recipes.schemes.reverse import ReverseRecipe
from limbeck.recipes.schemes.semi_supervised import SemiSupervisedRecipe
from limbeck.recipes.schemes.several_teachers import SeveralTeachersRecipe
from limbeck.recipes.schemes.shallow_mimic import ShallowMimicRecipe
from limbeck.recipes.schemes.short_lessons import ShortLessonsRecipe
from limbeck.recipes.schemes.specialists import SpecialistsRecipe
from limbeck.recipes.schemes.teacher_free import TeacherFreeRecipe

RECIPES: tuple[type[SchemeRecipe], ...] = (
    OfflineRecipe,
    HintsRecipe,
    ShallowMimicRecipe,
    MutualRecipe,
    CollaborativeRecipe,
    BornAgainRecipe,
    LastEpochsRecipe,
    BeYourOwnTeacherRecipe,
    ProgressiveRecipe,
    TeacherFreeRecipe,
    MeanTeacherRecipe,
    SemiSupervisedRecipe,
    DataDistillationRecipe,
    AssistantRecipe,
    SeveralTeachersRecipe,
    MergedRecipe,
    SpecialistsRecipe,
    ReverseRecipe,
    OmittedClassesRecipe,
    AugmentationByTeacherRecipe,
    ShortLessonsRecipe,
    DataFreeRecipe,
    PrivateTeachersRecipe,
)
"""Every scheme, in the order in which `limbeck schemes` lists them."""

NAMES: dict[str, type[SchemeRecipe]] = {each.model_fields["name"].default: each for each in RECIPES}


def _named(given: Any) -> Any:
    """Let a scheme be given by its name alone, and refuse a name that is none."""
    settings = {"name": given} if isinstance(given, str) else given
    name = settings.get("name", "Offline") if isinstance(settings, dict) else None
    if name is not None and name not in NAMES:
        raise ValueError(f"no scheme {name!r}: `limbeck schemes` lists them.{did_you_mean(str(name), NAMES)}")
    return {**settings, "name": name} if isinstance(settings, dict) else settings


AnyScheme: TypeAlias = Annotated[
    Union[RECIPES],  # type: ignore[valid-type]  # noqa: UP007  # a tuple made into a union
    Field(discriminator="name"),
    BeforeValidator(_named),
]
"""A scheme by its name, or its name with settings."""

__all__ = ["NAMES", "RECIPES", "AnyScheme", "SchemeRecipe"]
