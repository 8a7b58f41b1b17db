"""Several views of each decoded image, in one batch."""

import torch
from torch import Tensor

from limbeck.data.reading import ORDER, Batching, Reading, refuse_few
from limbeck.data.seeding import view_seed
from limbeck.errors import LimbeckError


def several_views(
    indices: Tensor, epoch: int, batching: Batching, views: int, cycle: int | None = None
) -> list[Reading]:
    """Return an epoch's batches, in which a share of the samples stands in ``views`` views each.

    Repeated augmentation (Hoffer, Ben-Nun, Hubara, Giladi, Hoefler, Soudry 2020, "Augment your batch", CVPR, arXiv
    1901.09335; Berman, Jégou, Vedaldi, Kokkinos, Douze 2019, "MultiGrain", arXiv 1902.05509): a sample is decoded once
    for all its views. An epoch reads as many views as there are samples, so over ``views`` epochs, counted from one
    that ``views`` divides, exactly the samples and views are read that single views would read. Samples left over by
    the division are read in one view in each of these epochs, as ever.

    Args:
        indices: (N,) int64, the samples.
        epoch: counts from 0.
        batching: how they are cut; a batch holds whole samples, and so does each process's share of it.
        views: of each sample.
        cycle: after how many views they come again, or ``None``.

    Raises:
        LimbeckError: batches that do not divide into samples of so many views, or not among the processes; fewer
            samples than the smallest batch.

    Example:
        >>> first, second = several_views(torch.arange(5), 0, Batching(4), views=2)
        >>> first.view.tolist(), second.view.tolist()
        ([0, 1, 0, 1], [0])
    """
    refuse_uneven(views, batching)
    refuse_few(len(indices), batching.smallest)
    block, phase = divmod(epoch, views)
    generator = torch.Generator().manual_seed(view_seed(batching.seed, ORDER, block))
    order = indices[torch.randperm(len(indices), generator=generator)]
    each = len(indices) // views
    whole, rest = order[phase * each : (phase + 1) * each], order[each * views :]
    index = torch.cat([whole.repeat_interleave(views), rest])
    view = torch.cat([(block * views + torch.arange(views)).repeat(each), torch.full_like(rest, epoch)])
    view = view if cycle is None else view % cycle
    cut = zip(torch.split(index, batching.batch_size), torch.split(view, batching.batch_size), strict=True)
    batches = [Reading(*pair, together=True) for pair in cut]
    return _merged(batches, batching)


def _merged(batches: list[Reading], batching: Batching) -> list[Reading]:
    """Return batches of which the last, if it is too small for a process, has joined the one before."""
    if _suffices(batches[-1], batching):
        return batches
    if len(batches) == 1:
        raise LimbeckError(
            f"{len(batches[0])} samples make one batch with too few images for each of {batching.world} processes: "
            "give more data, or lower views_per_decode."
        )
    *rest, before, last = batches
    both = torch.cat([before.index, last.index]), torch.cat([before.view, last.view])
    return [*rest, Reading(*both, together=True)]


def _suffices(batch: Reading, batching: Batching) -> bool:
    shares = (len(batch.share(rank, batching.world)) for rank in range(batching.world))
    return min(shares) * batching.world >= batching.smallest


def refuse_uneven(views: int, batching: Batching) -> None:
    """Refuse batches that do not divide into samples of so many views, or not among the processes.

    Args:
        views: of each sample.
        batching: how a part is cut.

    Raises:
        LimbeckError: they do not.

    Example:
        >>> refuse_uneven(3, Batching(10))
        Traceback (most recent call last):
        limbeck.errors.LimbeckError: A batch of 10 does not divide into images of 3 views each: take batch_size 9 or 12.
    """
    size, world = batching.batch_size, batching.world
    if size % views:
        lower = size - size % views
        sizes = f"{lower} or {lower + views}" if lower else f"{views}"
        raise LimbeckError(
            f"A batch of {size} does not divide into images of {views} views each: take batch_size {sizes}."
        )
    if size // views // world * views * world < max(batching.smallest, 1):
        processes = f" for each of {world} processes" if world > 1 else ""
        raise LimbeckError(
            f"A batch of {size} has room for {size // views} of {views} views each, too few{processes}: raise "
            "batch_size, or lower views_per_decode."
        )
