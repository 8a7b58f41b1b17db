"""What a model costs: parameters, bytes, multiply-accumulates, milliseconds."""

import logging
import statistics
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

FEWEST = 5  # timings; fewer have no quartiles worth telling
WARM_UP = 2  # calls; the first ones choose kernels and allocate

Example = Tensor | tuple[Tensor, ...]


@dataclass(frozen=True)
class Latency:
    """How long one call takes.

    Args:
        median: milliseconds.
        iqr: milliseconds between the first and the third quartile.
        batch: samples in a call.
        threads: threads the call may use.
    """

    median: float
    iqr: float
    batch: int
    threads: int


@dataclass(frozen=True)
class Cost:
    """What a model costs to keep and to run.

    Args:
        parameters: how many numbers it learns.
        macs: multiply-accumulates for one sample.
        bytes: size of its parameters and buffers.
        latency_ms: how long one call takes.
    """

    parameters: int
    macs: int
    bytes: int
    latency_ms: Latency

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, named as in run.json."""
        return asdict(self)


def cost(module: nn.Module, example: Example, *, threads: int | None = None, seconds: float = 1.0) -> Cost:
    """Measure all of a model's costs.

    Args:
        module: the network; its training mode is left as it was.
        example: what it reads, (N, …), on its device; N is the batch that is timed, 1 as a rule.
        threads: threads to time with; those torch uses now by default.
        seconds: how long to go on timing.

    Returns:
        The costs.

    Example:
        >>> found = cost(nn.Linear(4, 2), torch.zeros(1, 4), seconds=0.01)
        >>> found.parameters, found.macs, found.bytes, found.latency_ms.batch
        (10, 8, 40, 1)
    """
    return Cost(
        parameters=parameters(module),
        macs=macs(module, example),
        bytes=model_bytes(module),
        latency_ms=latency(module, example, threads=threads, seconds=seconds),
    )


def parameters(module: nn.Module) -> int:
    """Return the number of parameters, shared ones counted once.

    Example:
        >>> parameters(nn.Linear(4, 2))
        10
    """
    return sum(each.numel() for each in module.parameters())


def model_bytes(module: nn.Module) -> int:
    """Return the bytes of the parameters and buffers, shared ones counted once.

    Example:
        >>> model_bytes(nn.Linear(4, 2))
        40
    """
    return sum(each.numel() * each.element_size() for each in chain(module.parameters(), module.buffers()))


def macs(module: nn.Module, example: Example) -> int:
    """Count the multiply-accumulates of matrix products and convolutions for one sample.

    Attention and recurrent layers have fused kernels that the counter does not see into (it would count
    nothing), so they are run by their plain ones.

    Args:
        module: the network; its training mode is left as it was.
        example: what it reads, (N, …), on its device.

    Returns:
        Multiply-accumulates, half of the floating-point operations, divided by N.

    Example:
        >>> macs(nn.Conv2d(3, 8, 3, padding=1), torch.zeros(2, 3, 10, 10)) == 8 * 3 * 3 * 3 * 10 * 10
        True
    """
    from torch.utils.flop_counter import FlopCounterMode

    inputs = _inputs(example)
    counter = FlopCounterMode(display=False)
    with _evaluating(module), torch.no_grad(), _plain_kernels(module), counter:
        module(*inputs)
    return int(counter.get_total_flops()) // 2 // max(1, len(inputs[0]))


def latency(
    module: nn.Module, example: Example, *, threads: int | None = None, seconds: float = 1.0
) -> Latency:
    """Time calls of the network in inference mode with a fixed number of threads.

    Args:
        module: the network; its training mode is left as it was.
        example: what it reads, (N, …), on its device.
        threads: threads to use; those torch uses now by default. The number is put back afterwards.
        seconds: how long to go on timing; at least five calls are timed.

    Returns:
        Median and interquartile range in milliseconds.

    Example:
        >>> found = latency(nn.Linear(4, 2), torch.zeros(1, 4), threads=1, seconds=0.01)
        >>> found.median > 0, found.threads
        (True, 1)
    """
    timer_of = _timer()
    inputs = _inputs(example)
    threads = threads or torch.get_num_threads()
    timer = timer_of("module(*inputs)", globals={"module": module, "inputs": inputs}, num_threads=threads)
    with _evaluating(module), torch.inference_mode():
        timer.timeit(WARM_UP)
        times = list(timer.blocked_autorange(min_run_time=seconds).times)
        while len(times) < FEWEST:
            times += timer.timeit(1).times
    low, median, high = statistics.quantiles(times, n=4, method="inclusive")
    return Latency(median=median * 1e3, iqr=(high - low) * 1e3, batch=len(inputs[0]), threads=threads)


def _timer() -> Any:
    """Import torch's timer without its complaint where a CUDA compiler is installed and no GPU is."""
    logger = logging.getLogger("torch.utils.cpp_extension")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        from torch.utils.benchmark import Timer
    finally:
        logger.setLevel(level)
    return Timer


def _inputs(example: Example) -> tuple[Tensor, ...]:
    return example if isinstance(example, tuple) else (example,)


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Put every layer in eval mode and each back to its own afterwards."""
    modes = {each: each.training for each in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for each, mode in modes.items():
            each.training = mode


@contextmanager
def _plain_kernels(module: nn.Module) -> Iterator[None]:
    """Switch off the fused kernels that hide their matrix products from the counter."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with ExitStack() as stack:
            stack.enter_context(sdpa_kernel(SDPBackend.MATH))
            if any(isinstance(each, nn.RNNBase) for each in module.modules()):
                # only then, as plain convolutions would be slow; oneDNN warns of a flag it does not know
                stack.enter_context(warnings.catch_warnings())
                warnings.simplefilter("ignore", UserWarning)
                stack.enter_context(torch.backends.mkldnn.flags(enabled=False))
                stack.enter_context(torch.backends.cudnn.flags(enabled=False))
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
