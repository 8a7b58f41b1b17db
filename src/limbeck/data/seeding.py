"""Numbers drawn from a counter, and global generators lent out and given back."""

import hashlib
import random
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch


def view_seed(seed: int, index: int, view: int) -> int:
    """Return the 64-bit number that decides view ``view`` of sample ``index``.

    A counter-based generator: a hash (BLAKE2b) of the three numbers, so any of them can be asked for alone.

    Args:
        seed: of the run.
        index: of the sample.
        view: number of the augmentation draw.

    Example:
        >>> view_seed(0, 1, 2) == view_seed(0, 1, 2), view_seed(0, 1, 2) == view_seed(0, 2, 1)
        (True, False)
    """
    packed = struct.pack("<QQQ", seed % 2**64, index % 2**64, view % 2**64)
    return int.from_bytes(hashlib.blake2b(packed, digest_size=8).digest(), "little")


def role_seed(seed: int, role: str) -> int:
    """Return the number that stands for ``seed`` in the draws of one role, unlike that of any other role.

    Args:
        seed: of the run.
        role: ``"student"``, ``"teacher"`` …

    Example:
        >>> role_seed(0, "student") == role_seed(0, "teacher")
        False
    """
    packed = struct.pack("<Q", seed % 2**64) + role.encode()
    return int.from_bytes(hashlib.blake2b(packed, digest_size=8, person=b"role").digest(), "little")


@contextmanager
def seeding(everything: bool) -> Iterator[Callable[[int], None]]:
    """Yield a function that seeds the global generators; afterwards they are as they were.

    Args:
        everything: Python's and numpy's generators too, not only torch's.

    Example:
        >>> before = torch.get_rng_state()
        >>> with seeding(everything=True) as seed_with:
        ...     seed_with(7)
        ...     first = torch.rand(())
        ...     seed_with(7)
        ...     again = torch.rand(())
        >>> bool(first == again), torch.equal(before, torch.get_rng_state())
        (True, True)
    """
    # the CPU generator itself, not torch.manual_seed: that also walks over every accelerator
    generator = torch.default_generator
    torch_state = generator.get_state()
    others = (random.getstate(), np.random.get_state()) if everything else None

    def seed_with(number: int) -> None:
        generator.manual_seed(number)
        if everything:
            random.seed(number)
            np.random.seed(number % 2**32)

    try:
        yield seed_with
    finally:
        generator.set_state(torch_state)
        if others is not None:
            random.setstate(others[0])
            np.random.set_state(others[1])
