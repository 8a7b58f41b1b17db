"""Stopping between two steps, never inside one."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(KeyboardInterrupt):
    """The person, or the scheduler, asked to stop; a checkpoint has been written."""


class Request:
    """Whether a stop was asked for."""

    asked = False


@contextmanager
def stop_requests() -> Iterator[Request]:
    """Turn the first Ctrl-C or SIGTERM into a request; a second one stops at once.

    Example:
        >>> with stop_requests() as request:
        ...     request.asked
        False
    """
    request = Request()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def ask(number: int, frame: FrameType | None) -> None:
        if request.asked:
            raise KeyboardInterrupt
        request.asked = True

    before = {each: signal.signal(each, ask) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
