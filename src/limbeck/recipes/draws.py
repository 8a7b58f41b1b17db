"""What a run may not be told of its views, refused before anything is opened."""

from typing import TYPE_CHECKING

from limbeck.data.mix import mix_named
from limbeck.data.reading import Batching
from limbeck.data.several import refuse_uneven
from limbeck.errors import LimbeckError
from limbeck.train.engine import processes

if TYPE_CHECKING:
    from limbeck.recipes.config import DistillConfig, TrainConfig
    from limbeck.recipes.schemes.base import SchemeRecipe


def refuse_draws(config: "DistillConfig | TrainConfig") -> None:
    """Refuse a mixing that does not exist, and views per decode that do not suit the batches or the epochs.

    Args:
        config: of the run.

    Raises:
        LimbeckError: either; a scheme that needs one class for each sample.

    Example:
        >>> from limbeck.recipes.config import TrainConfig
        >>> refuse_draws(TrainConfig(model="mlp:4", data="digits", mix="mixup"))
        Traceback (most recent call last):
        limbeck.errors.LimbeckError: The mixing 'mixup' needs an alpha, a finite number above 0, behind its kind: ...
    """
    if config.mix is not None:
        mix_named(config.mix)
        _refuse_scheme(config)
    views, plan = config.views_per_decode, config.train
    if views == 1:
        return
    refuse_uneven(views, Batching(plan.batch_size, world=processes()[1]))
    if plan.epochs < views:
        raise LimbeckError(
            f"{views} views per decode take {views} epochs to show every image, and this training has {plan.epochs}: "
            "raise --epochs, or lower --views-per-decode."
        )


def _refuse_scheme(config: "DistillConfig | TrainConfig") -> None:
    scheme = getattr(config, "scheme", None)
    if scheme is not None and not scheme.mixes:
        raise LimbeckError(
            f"{scheme.name} needs one class for each sample, and a mixed sample has shares of two: leave --mix out."
        )


def refuse_cache(recipe: "SchemeRecipe", config: "DistillConfig") -> None:
    """Refuse to keep answers where they change, or one cache for several teachers.

    Args:
        recipe: of the scheme.
        config: of the run.

    Raises:
        LimbeckError: what cannot be kept.
    """
    if config.cache_views is None and config.cache is None:
        return
    if not recipe.caches:
        raise LimbeckError(
            f"{recipe.name} has no teacher whose answers stay the same, so none can be kept: leave --cache-views and "
            "--cache out."
        )
    if recipe.successive and config.cache is not None:
        raise LimbeckError(
            f"{recipe.name} has several teachers, one after the other, and --cache names one cache: leave it out, "
            "and the run keeps a cache for each."
        )
