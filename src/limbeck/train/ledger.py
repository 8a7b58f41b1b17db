"""The loss as it was optimised: summed for the log, checked for NaN."""

from torch import Tensor

from limbeck.errors import LimbeckError


class Ledger:
    """Keeps each step's loss parts and refuses the first that is not finite.

    Reading a loss waits for an accelerator, so steps are read in groups there, and one by one on a CPU.

    Args:
        every: steps between readings.
        label: what is trained, for the message.

    Example:
        >>> import torch
        >>> ledger = Ledger()
        >>> ledger.add(1, {"task": torch.tensor(2.0), "KD": torch.tensor(1.0)})
        >>> ledger.means()
        {'loss': 3.0, 'loss_task': 2.0, 'loss_KD': 1.0}
    """

    def __init__(self, every: int = 1, label: str = "the student"):
        self.every = every
        self.label = label
        self.sums: dict[str, float] = {}
        self.count = 0
        self.latest: dict[str, float] = {}
        self._waiting: list[tuple[int, dict[str, Tensor]]] = []

    def add(self, step: int, parts: dict[str, Tensor]) -> None:
        """Take in the loss parts of optimizer step ``step``, counted from 1."""
        self._waiting.append((step, parts))
        if len(self._waiting) >= self.every:
            self.read()

    def read(self) -> None:
        """Read the steps that wait.

        Raises:
            LimbeckError: a part is NaN or infinite; the step and the part are named.
        """
        for step, parts in self._waiting:
            values = {name: float(part) for name, part in parts.items()}
            for name, value in values.items():
                if not abs(value) < float("inf"):
                    self._waiting.clear()
                    raise LimbeckError(
                        f"The loss part {name!r} of {self.label} became {value} at step {step}: training stopped, "
                        "and checkpoints from before are kept. Start a new run with a lower lr, train.clip=1, "
                        "or precision fp32."
                    )
                self.sums[name] = self.sums.get(name, 0.0) + value
            self.latest = values
            self.count += 1
        self._waiting.clear()

    def means(self) -> dict[str, float]:
        """Return the means over the steps since :meth:`start`, their sum under ``loss``."""
        self.read()
        means = {f"loss_{name}": value / max(1, self.count) for name, value in self.sums.items()}
        return {"loss": sum(means.values()), **means}

    def start(self) -> None:
        """Begin a new epoch."""
        self.sums, self.count = {}, 0
