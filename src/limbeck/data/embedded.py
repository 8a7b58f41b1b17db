"""Data that scikit-learn carries, so that nothing needs to be downloaded: digits and diabetes."""

import torch

from limbeck.data.source import Data, TensorSource
from limbeck.data.splits import hold_out


def digits(seed: int = 0) -> Data:
    """Return 1,797 handwritten digits, grey 8×8: a fifth for test, of the rest a fifth for validation.

    Args:
        seed: of the split.

    Example:
        >>> data = digits()
        >>> len(data.train), len(data.validation), len(data.test), data.shape
        (1150, 288, 359, (1, 8, 8))
    """
    from sklearn.datasets import load_digits

    raw = load_digits()
    # the file holds 17 grey levels, 0..16
    images = torch.from_numpy(raw.images).mul(255 / 16).round().to(torch.uint8).unsqueeze(1)
    targets = torch.from_numpy(raw.target).long()
    rest, test = hold_out(torch.arange(len(targets)), targets, 0.2, seed)
    train, validation = hold_out(rest, targets, 0.2, seed)
    source, classes = TensorSource(images, targets), tuple(str(each) for each in range(10))
    return Data("digits", "classification", source, train, validation, test, classes, (1, 8, 8))


def diabetes(seed: int = 0) -> Data:
    """Return ten measurements of 442 patients and how far their diabetes came in a year, 25 to 346.

    A fifth is for test, of the rest a fifth for validation.

    Args:
        seed: of the split.

    Example:
        >>> data = diabetes()
        >>> data.task, data.shape, len(data.train), len(data.validation), len(data.test)
        ('regression', (10,), 283, 71, 88)
    """
    from sklearn.datasets import load_diabetes

    raw = load_diabetes(scaled=False)
    source = TensorSource(torch.from_numpy(raw.data).float(), torch.from_numpy(raw.target).float())
    rest, test = hold_out(torch.arange(len(source)), None, 0.2, seed)
    train, validation = hold_out(rest, None, 0.2, seed)
    return Data("sklearn:diabetes", "regression", source, train, validation, test, None, (10,))
