"""Who may write to a cache: one process at a time."""

import os
from pathlib import Path

from filelock import FileLock, Timeout

from limbeck.errors import LimbeckError

NAME = "lock"


def locked(folder: Path) -> FileLock:
    """Return the lock on a cache, taken; the system frees it when this process dies, however it does.

    Args:
        folder: the cache.

    Raises:
        LimbeckError: another process has it, or the folder is for reading only.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> lock = locked(folder)
        >>> locked(folder)
        Traceback (most recent call last):
        limbeck.errors.LimbeckError: ... is being written by another process. Wait until it has ended, ...
        >>> lock.release()
    """
    read_only = LimbeckError(
        f"{folder} is for reading only, so nothing can be added to the cache there. Change its permissions, or copy "
        "it to a folder of your own."
    )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise read_only
    lock = FileLock(folder / NAME, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise LimbeckError(
            f"The cache {folder} is being written by another process. Wait until it has ended, or read what is there."
        ) from None
    except OSError as error:
        raise read_only from error
    return lock
