"""The machine's peak speed of convolutions, and the operations of a network."""

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.timing import compare

CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CUDA else "cpu")


def conv_limit(dtype: torch.dtype, batch: int, side: int = 64, *, backward: bool = True) -> float:
    """Peak FLOP per second of convolutions like the networks', with gradients if `backward`."""
    best = 0.0
    for width in (64, 128, 192):
        x = torch.rand(batch, width, side, side, device=DEVICE, dtype=dtype, requires_grad=backward)
        x = x.to(memory_format=torch.channels_last)
        conv = nn.Conv2d(width, 64, 3, padding=1, bias=False).to(DEVICE, dtype)
        conv.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in its stub

        def work(conv: nn.Module = conv, x: Tensor = x) -> None:
            with torch.set_grad_enabled(backward):
                result = conv(x)
            if backward:
                result.sum().backward()
            if CUDA:
                torch.cuda.synchronize()

        seconds = compare("", {"conv": work}, rounds=10, silent=True)["conv"]
        best = max(best, (3 if backward else 1) * flops(conv, x) / seconds)
    return best


def flops(network: nn.Module, images: Tensor) -> float:
    """Floating point operations of the convolutions and products of one forward pass."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(images)
    return float(counter.get_total_flops())
