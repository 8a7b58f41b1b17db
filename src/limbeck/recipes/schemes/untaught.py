"""What schemes without a teacher of their own refuse."""

from limbeck.errors import LimbeckError
from limbeck.recipes.knowledge import Knowledge
from limbeck.recipes.schemes.base import SchemeRecipe


def plain(recipe: SchemeRecipe, kd: Knowledge) -> None:
    """Refuse losses that are taught in a stage of their own, or ship a part of the teacher.

    Args:
        recipe: the scheme.
        kd: what is taught.

    Raises:
        LimbeckError: such a loss.
    """
    staged = [*kd.staged(), *(name for name in ["SimKD"] if kd.taught().loss == name)]
    if staged:
        raise LimbeckError(
            f"{staged[0]} needs a teacher that is there before the student learns, and {recipe.name} has none: name "
            "another loss, or choose the scheme Offline."
        )


def no_terms(recipe: SchemeRecipe, kd: Knowledge) -> None:
    """Refuse losses where a scheme defines by itself what is taught.

    Args:
        recipe: the scheme.
        kd: the person's settings.

    Raises:
        LimbeckError: a loss, or what belongs to one, was named.
    """
    told = [key for key, value in kd.model_dump().items() if value not in (None, [], {})]
    if told:
        raise LimbeckError(
            f"{recipe.name} defines what is taught by itself, so kd.{told[0]} means nothing to it: leave it out."
        )
