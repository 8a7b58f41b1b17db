"""scikit-learn's handwritten digits: 1,797 grey images of 8×8, no download."""

import torch

from limbeck.data.source import Data, TensorSource
from limbeck.data.splits import hold_out


def digits(seed: int = 0, name: str = "digits") -> Data:
    """Return the digits: 80 % and 20 % for test, and of the 80 % a fifth for validation.

    Args:
        seed: of the split.
        name: what the data is called in reports.

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
    classes = tuple(str(each) for each in range(10))
    return Data(
        name, "classification", TensorSource(images, targets), train, validation, test, classes, (1, 8, 8)
    )
