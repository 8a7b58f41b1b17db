"""How long the loop stands still for want of data."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def timed(items: Iterable[Item], tell: Callable[[float], None]) -> Iterator[Item]:
    """Yield ``items`` and tell the seconds that each was waited for, the end of them included.

    Loading in the loop's own process is waiting too. On an accelerator the work that is already queued goes on
    meanwhile, so there the sum is the most that better loading could save.

    Args:
        items: batches, say.
        tell: is given the seconds.

    Example:
        >>> waits = []
        >>> list(timed("ab", waits.append)), len(waits)
        (['a', 'b'], 3)
    """
    source = iter(items)
    while True:
        began = time.perf_counter()
        try:
            item = next(source)
        except StopIteration:
            return
        finally:
            tell(time.perf_counter() - began)
        yield item
