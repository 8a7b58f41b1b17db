"""Frames of made-up recordings, scored by one process or shared among two."""

import torch

from limbeck import Batch, Outputs
from limbeck.tasks import Frames

STATES, WORDS = 3, 4


def problem(lengths=(5, 9, 3, 4, 8, 3, 7, 6), seed=0):
    """Return a task with uneven priors, logits that are often right, and targets."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.tensor(lengths)
    starts = torch.tensor([0, *lengths.cumsum(0)])
    words = torch.randint(WORDS, (len(lengths),), generator=generator)
    words[-1] = WORDS - 1
    place = torch.arange(int(starts[-1])) - starts[:-1].repeat_interleave(lengths)
    state = place * STATES // lengths.repeat_interleave(lengths)
    targets = words.repeat_interleave(lengths) * STATES + state
    priors = torch.rand(WORDS * STATES, generator=generator) + 0.1
    logits = 2 * torch.randn(len(targets), WORDS * STATES, generator=generator)
    logits[torch.arange(len(targets)), targets] += 1
    return Frames(starts, words, STATES, priors / priors.sum()), logits, targets


def taken(task, logits, targets, batches, full=False, **more):
    metrics = task.metrics(full)
    for index in batches:
        extra = {name: value[index] for name, value in more.items()}
        metrics.update(Outputs(logits=logits[index]), Batch(logits[index], targets[index], index, **extra))
    return metrics.compute()


def share(rank: int, file: str, out: str) -> None:
    """Score one of two processes' share; a process of its own begins here, so this lies in a module with a name."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
    task, logits, targets = problem()
    own = torch.arange(len(targets))[rank::2]  # as the loader shares them: every recording is cut
    found = taken(task, logits, targets, own.split(7 - rank))  # of uneven numbers of batches
    torch.save(found, f"{out}{rank}.pt")
    torch.distributed.destroy_process_group()
