"""One batch over several processes: each computes its slice, and all make the same update.

Means that the paper defines over a batch (of the relativistic loss, of batch normalization) are
computed over the whole batch, so that the result does not depend on the number of processes.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.distributed.nn.functional import all_reduce


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """The processes that share a batch; by default only this one."""

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0

    def local_slice(self, batch_size: int) -> range:
        """This process's positions in the batch.

        Raises:
            ValueError: if the batch cannot be split evenly.
        """
        if batch_size % self.size:
            raise ValueError(f"batch_size {batch_size} cannot be split over {self.size} processes")
        each = batch_size // self.size
        return range(self.rank * each, (self.rank + 1) * each)

    def sum_(self, tensor: Tensor) -> Tensor:
        """Add up over all processes, in place, and return it."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def mean(self, values: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """The mean over all processes."""
        return self.sum_(values.clone()) / self.size if self.size > 1 else values

    def any(self, flag: Tensor) -> Tensor:
        """1 if it is 1 in any process; in place."""
        if self.size > 1:
            dist.all_reduce(flag, op=dist.ReduceOp.MAX)
        return flag

    def gather(self, logits: Float[Tensor, "b 1"]) -> Float[Tensor, "all 1"]:
        """Logits of the whole batch; gradients flow to this process's own part.

        If every process computes the same loss of them, the gradients add up to the loss's.
        """
        return _Gather.apply(logits, self) if self.size > 1 else logits

    def all_reduce_max(self, number: int) -> int:
        """The largest number of all processes; does not wait for the device."""
        if self.size == 1:
            return number
        largest = torch.tensor(number)
        dist.all_reduce(largest, op=dist.ReduceOp.MAX)
        return int(largest)


SINGLE_PROCESS = World()


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, world: World) -> Tensor:
        ctx.own = slice(world.rank * len(logits), (world.rank + 1) * len(logits))
        parts = [torch.empty_like(logits) for _ in range(world.size)]
        dist.all_gather(parts, logits.contiguous())
        return torch.cat(parts)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient[ctx.own], None


class SharedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalization by the statistics of the whole batch, on any device.

    PyTorch's own SyncBatchNorm refuses the CPU. Slices must be equal.
    """

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Normalize over the batches of all processes while training."""
        if not self.training:
            return super().forward(x)
        wide = x.float() if x.dtype == torch.bfloat16 else x
        size = dist.get_world_size()
        mean = all_reduce(wide.mean((0, 2, 3))) / size
        centered = wide - mean[:, None, None]
        variance = all_reduce(centered.square().mean((0, 2, 3))) / size
        count = wide.numel() // wide.shape[1] * size
        self._update_statistics(mean.detach(), variance.detach(), count)
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centered * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)

    @torch.no_grad()
    def _update_statistics(self, mean: Tensor, variance: Tensor, count: int) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.momentum is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * count / (count - 1), self.momentum)


def share_batch_norm(network: nn.Module, world: World) -> None:
    """Make batch normalization in `network` use the whole batch, in place."""
    if world.size == 1:
        return
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            # the same parameters and buffers under another forward
            module.__class__ = SharedBatchNorm2d
