"""Those who look on while a network is trained: progress bars and trackers."""

from typing import Any, Protocol

from limbeck.types import Progress


class Watcher(Protocol):
    """Told what happens; changes nothing."""

    def started(self, label: str, epochs: int, steps_per_epoch: int, progress: Progress) -> None:
        """Training begins, or goes on from ``progress``."""

    def stepped(self, progress: Progress, parts: dict[str, float], samples: int) -> None:
        """An optimizer step is done; ``parts`` are the latest loss parts read."""

    def evaluated(self, progress: Progress, row: dict[str, Any]) -> None:
        """An epoch's row of the history is complete."""

    def finished(self, label: str) -> None:
        """Training is over."""
