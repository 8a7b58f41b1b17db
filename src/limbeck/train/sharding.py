"""A student whose weights, gradients and optimizer state are spread over processes: FSDP 2, by accelerate."""

import copy
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import torch
from accelerate import Accelerator, FullyShardedDataParallelPlugin
from accelerate.utils import DistributedType, fsdp2_prepare_model
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from limbeck.data.loader import Loader
from limbeck.errors import LimbeckError
from limbeck.schemes import Scheme
from limbeck.train.plan import Plan
from limbeck.types import Batch

Tree = TypeVar("Tree")


def sharding_asked() -> bool:
    """Return whether accelerate was told to shard, by ``accelerate launch --use_fsdp`` or its environment variable.

    Example:
        >>> sharding_asked()
        False
    """
    return os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"


def check_sharding(scheme: Scheme, plan: Plan, world: int) -> None:
    """Refuse, where sharding was asked for, what has not been made right for a sharded student.

    Args:
        scheme: its class must say ``shardable`` itself: one that derives from it may read weights outside a forward.
        plan: how it is trained.
        world: number of processes; one alone holds the whole student.

    Raises:
        LimbeckError: what stands in the way, and the way out.
    """
    if world == 1 or not sharding_asked():
        return
    name = type(scheme).__name__
    whole = getattr(scheme, "student", None) is scheme.deployable()
    if not vars(type(scheme)).get("shardable", False) or scheme.partial or not whole:
        raise LimbeckError(
            f"limbeck does not shard {name} as it is set up here yet (FSDP): start it without --use_fsdp, so that "
            "every process holds the whole student (DDP), or use Offline with a hard loss."
        )
    settings = {
        "ema": plan.ema is not None,
        "compile": plan.compile,
        "channels_last": plan.channels_last,
        "precision=fp16": plan.precision == "fp16",
    }
    found = [f"train.{each}" for each, there in settings.items() if there]
    if found:
        raise LimbeckError(
            f"{' and '.join(found)} cannot be used while the student is sharded (FSDP): leave it out, or start without "
            "--use_fsdp."
        )


def shard(accelerator: Accelerator, student: nn.Module) -> nn.Module:
    """Spread the student's weights over the processes, in place.

    Args:
        accelerator: holds how, as the person told accelerate.
        student: the same weights in every process.

    Returns:
        A copy as it was, on the CPU, for :func:`made_whole`.

    Raises:
        LimbeckError: FSDP 1, or what it can do besides; a wrap policy that does not fit the student; a student that
            was sharded before.
    """
    if accelerator.distributed_type != DistributedType.FSDP:  # accelerate passes CPUs over
        accelerator.state.fsdp_plugin = FullyShardedDataParallelPlugin()
    plugin = accelerator.state.fsdp_plugin
    if plugin.fsdp_version != 2:
        raise LimbeckError(
            "limbeck shards by FSDP 2, and accelerate was told FSDP 1: add --fsdp_version 2, or FSDP_VERSION=2 to the "
            "environment."
        )
    if plugin.activation_checkpointing or type(plugin.cpu_offload).__name__ == "CPUOffloadPolicy":
        raise LimbeckError(
            "limbeck does not keep a sharded student's weights in the host's memory, or compute activations again, "
            "yet: leave out --fsdp_offload_params and --fsdp_activation_checkpointing."
        )
    plugin.cpu_ram_efficient_loading = False  # every process has the weights already
    plain = copy.deepcopy(student).cpu()
    try:
        fsdp2_prepare_model(accelerator, student)
    except (ValueError, NotImplementedError, AssertionError) as error:
        raise LimbeckError(f"The student cannot be sharded (FSDP): {error}") from error
    return plain


def made_whole(student: nn.Module, plain: nn.Module) -> None:
    """Give a sharded student back as the plain network it was, on the CPU, in place: others hold on to it.

    Args:
        student: as :func:`shard` left it.
        plain: what that returned.
    """
    # FSDP lives in the object's class, hooks and parameters, and has no way back but to replace all of them.
    student.__class__ = type(plain)
    student.__dict__.clear()
    student.__dict__.update(plain.__dict__)


def whole(tree: Tree) -> Tree:
    """Return nested state with every sharded tensor joined, on the CPU; every process must ask, in the same order.

    Example:
        >>> whole({"step": 3, "weight": torch.ones(2)})
        {'step': 3, 'weight': tensor([1., 1.])}
    """
    joined: Tree = tree_map_only(torch.Tensor, _whole, tree)
    return joined


def _whole(value: Tensor) -> Tensor:
    return value.detach().full_tensor().cpu() if _is_sharded(value) else value  # type: ignore[attr-defined]


def _is_sharded(value: Tensor) -> bool:
    """Tell a DTensor without importing it, which would take as long as a quarter of torch."""
    return hasattr(value, "full_tensor")


def kept(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a copy of weights, whole and on the CPU."""
    return {key: value.detach().cpu().clone() for key, value in whole(dict(state)).items()}


def own_part(value: Tensor) -> Tensor:
    """Return what this process holds of a tensor, which is all of it unless it is sharded."""
    local: Tensor = value.to_local() if _is_sharded(value) else value  # type: ignore[attr-defined]
    return local


def spread(value: Tensor, like: Tensor) -> Tensor:
    """Return a whole tensor sharded as ``like`` is, or as it is."""
    if not _is_sharded(like) or like.shape != value.shape:
        return value
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(like, DTensor)
    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements)


def load_weights(module: nn.Module, saved: Mapping[str, Tensor]) -> None:
    """Load whole tensors into a module that may be sharded."""
    now = module.state_dict()
    module.load_state_dict({key: spread(value, now[key]) for key, value in saved.items()})


def load_optimizer(optimizer: torch.optim.Optimizer, saved: Mapping[str, Any]) -> None:
    """Load whole tensors into an optimizer whose parameters may be sharded."""
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    state = {
        number: {
            key: spread(value, parameters[number]) if isinstance(value, Tensor) else value
            for key, value in kept.items()
        }
        for number, kept in saved["state"].items()
    }
    optimizer.load_state_dict({**saved, "state": state})


class InStep:
    """A part to evaluate on in which every process runs the sharded student equally often.

    A forward gathers weights from all processes: one that ran out of batches before the others would leave them
    waiting, so it goes on with its last batch, and nobody counts the answers.

    Args:
        loader: gives this process's own batches.
        predict: runs the student on a batch.
        device: where batches are put.
    """

    def __init__(self, loader: Loader, predict: Callable[[Batch], object], device: torch.device):
        self.loader, self.predict, self.device = loader, predict, device

    def __iter__(self) -> Iterator[Batch]:
        left = self.loader.most
        for batch in self.loader:
            yield batch
            left -= 1
        for _ in range(left):
            self.predict(batch.to(self.device))
