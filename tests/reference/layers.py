"""What feature losses are built from, in loops: maps are lists ``[sample][channel][row][column]``."""

from collections.abc import Callable, Iterator, Mapping
from math import fsum, sqrt

Row = list[float]
Rows = list[Row]
Grid = list[Row]
Maps = list[list[Grid]]
Nested = list
Parameters = Mapping[str, Nested]


def each_value(function: Callable[[float], float], maps: Maps) -> Maps:
    """Apply a function to every number."""
    return [[[[function(v) for v in row] for row in grid] for grid in sample] for sample in maps]


def numbers(nested: Nested) -> Iterator[float]:
    """Yield all numbers of nested lists in order."""
    if isinstance(nested, list):
        for each in nested:
            yield from numbers(each)
    else:
        yield nested


def mean(values: list[float]) -> float:
    return fsum(values) / len(values)


def mean_square(one: Nested, other: Nested) -> float:
    """Return the mean over all numbers of (a - b)²."""
    return mean([(a - b) ** 2 for a, b in zip(numbers(one), numbers(other), strict=True)])


def linear(rows: Rows, weight: Rows, bias: Row | None = None) -> Rows:
    """Return x Wᵀ + b for each row x."""
    shift = bias or [0.0] * len(weight)
    return [
        [fsum(w * x for w, x in zip(out, row, strict=True)) + b for out, b in zip(weight, shift, strict=True)]
        for row in rows
    ]


def conv(maps: Maps, weight: Maps, bias: Row | None = None, stride: int = 1, padding: int = 0) -> Maps:
    """Return the cross-correlation with ``weight[out][in][row][column]``, zeros around the maps."""
    height, width = size(maps)
    tall, wide = size(weight)
    tops = range(-padding, height + padding - tall + 1, stride)
    lefts = range(-padding, width + padding - wide + 1, stride)

    def at(sample: list[Grid], kernel: list[Grid], top: int, left: int) -> float:
        return fsum(
            kernel[channel][i][j] * sample[channel][top + i][left + j]
            for channel in range(len(sample))
            for i in range(tall)
            for j in range(wide)
            if 0 <= top + i < height and 0 <= left + j < width
        )

    shift = bias or [0.0] * len(weight)
    return [
        [
            [[at(sample, kernel, top, left) + b for left in lefts] for top in tops]
            for kernel, b in zip(weight, shift, strict=True)
        ]
        for sample in maps
    ]


def batch_norm(maps: Maps, parameters: Parameters, name: str, running: bool = False) -> Maps:
    """Return each channel less its mean, over sqrt(variance + 1e-5), times ``NAME.weight``, plus ``NAME.bias``.

    Mean and variance are over samples and places, as in training, or the ``running`` ones of evaluation.
    """
    scaled = []
    for channel, (gain, shift) in enumerate(
        zip(parameters[f"{name}.weight"], parameters[f"{name}.bias"], strict=True)
    ):
        values = [v for sample in maps for row in sample[channel] for v in row]
        middle, variance = mean(values), mean([(v - mean(values)) ** 2 for v in values])
        if running:
            middle = parameters[f"{name}.running_mean"][channel]
            variance = parameters[f"{name}.running_var"][channel]
        scaled.append((middle, gain / sqrt(variance + 1e-5), shift))
    return [
        [
            [[(v - middle) * scale + shift for v in row] for row in grid]
            for grid, (middle, scale, shift) in zip(sample, scaled, strict=True)
        ]
        for sample in maps
    ]


def bottleneck(maps: Maps, parameters: Parameters, name: str, running: bool = False) -> Maps:
    """Return conv 1×1, norm, ReLU, conv 3×3, norm, ReLU, conv 1×1: ``NAME.0``, ``1``, ``3``, ``4`` and ``6``."""
    out = relu(batch_norm(conv(maps, parameters[f"{name}.0.weight"]), parameters, f"{name}.1", running))
    out = conv(out, parameters[f"{name}.3.weight"], padding=1)
    out = relu(batch_norm(out, parameters, f"{name}.4", running))
    return conv(out, parameters[f"{name}.6.weight"])


def relu(maps: Maps) -> Maps:
    return each_value(lambda value: max(value, 0.0), maps)


def nearest(maps: Maps, height: int, width: int) -> Maps:
    """Return maps whose place (i, j) is the old place (floor(i · H / height), floor(j · W / width))."""
    return [
        [
            [
                [grid[i * len(grid) // height][j * len(grid[0]) // width] for j in range(width)]
                for i in range(height)
            ]
            for grid in sample
        ]
        for sample in maps
    ]


def bins(size: int, parts: int) -> list[range]:
    """Return the places each adaptive bin covers: floor(i · size / parts) up to ceil((i + 1) · size / parts)."""
    return [range(i * size // parts, -((-(i + 1) * size) // parts)) for i in range(parts)]


def pool(maps: Maps, height: int, width: int, gather: Callable[[list[float]], float] = mean) -> Maps:
    """Return adaptive average pooling, or of another kind: ``gather=max``."""
    return [
        [
            [
                [gather([grid[i][j] for i in tall for j in wide]) for wide in bins(len(grid[0]), width)]
                for tall in bins(len(grid), height)
            ]
            for grid in sample
        ]
        for sample in maps
    ]


def pooled(maps: Maps) -> Rows:
    """Return each channel's mean over places: one row for each sample."""
    return [[mean([v for row in grid for v in row]) for grid in sample] for sample in maps]


def flat(maps: Maps) -> Rows:
    """Return one row for each sample: channels, rows, columns in order."""
    return [list(numbers(sample)) for sample in maps]


def unit(row: Row, eps: float = 0.0) -> Row:
    """Return the row over max(its Euclidean norm, eps); a row of zeros stays."""
    length = max(sqrt(fsum(v * v for v in row)), eps)
    return [v / length for v in row] if length else list(row)


def size(maps: Maps) -> tuple[int, int]:
    """Return height and width."""
    return len(maps[0][0]), len(maps[0][0][0])


def smaller(one: Maps, other: Maps) -> tuple[int, int]:
    """Return the smaller height and the smaller width of two maps."""
    return min(size(one)[0], size(other)[0]), min(size(one)[1], size(other)[1])
