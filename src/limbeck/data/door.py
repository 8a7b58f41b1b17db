"""The data doors: from what a person writes to data with its parts."""

from dataclasses import replace

from torch import Tensor

from limbeck.data.source import Data
from limbeck.data.splits import subset
from limbeck.errors import LimbeckError

DOORS = ("digits", "folder:PATH", "idx:PATH", "csv:PATH#COLUMN", "sklearn:diabetes")
"""What ``--data`` takes."""


def open_data(
    spec: str, *, seed: int = 0, limit: int | None = None, size: int | None = None, skip_bad: bool = False
) -> Data:
    """Open the data that ``spec`` names.

    Args:
        spec: ``digits``, ``folder:PATH``, ``idx:PATH``, ``csv:PATH``, ``csv:PATH#COLUMN`` or
            ``sklearn:diabetes``.
        seed: of the split.
        limit: keep only so many training samples, each class in its share.
        size: height and width in pixels that images are brought to; their own when not given.
        skip_bad: leave out images that cannot be read, and list them, instead of refusing them.

    Raises:
        LimbeckError: there is no such data, or it is damaged, or too small to learn from.

    Example:
        >>> data = open_data("digits", limit=100)
        >>> len(data.train), data.classes[:3]
        (100, ('0', '1', '2'))
    """
    data = _opened(spec, seed=seed, size=size, skip_bad=skip_bad)
    if limit is not None:
        data = replace(data, train=subset(data.train, _labels(data), limit, seed))
    if size is not None and data.is_image:
        if size < 1:
            raise LimbeckError(f"The image size must be at least 1 pixel, but is {size}.")
        data = replace(data, shape=(data.shape[0], size, size))
    return data


def _opened(spec: str, *, seed: int, size: int | None, skip_bad: bool) -> Data:
    door, _, rest = spec.partition(":")
    if spec == "digits":
        from limbeck.data.digits import digits

        return digits(seed)
    if door == "idx":
        from limbeck.data.idx import idx

        return idx(rest, seed, spec)
    raise LimbeckError(f"No data {spec!r}; there are {', '.join(DOORS)}.")


def _labels(data: Data) -> Tensor | None:
    return data.source.targets if data.task == "classification" else None
