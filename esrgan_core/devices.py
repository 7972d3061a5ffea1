"""Device and precision, chosen by the same rules for training and inference."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from esrgan_core.machine import BF16_INSTRUCTIONS
from esrgan_core.precision import Precision, PrecisionChoice

ISA_VARIABLES = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"""Environment variables that limit oneDNN; the first that is set counts."""
ISA_WITHOUT_BF16 = frozenset(
    {"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI"}
)
"""Values with which oneDNN emulates bf16."""
PROBE_ROUNDS = 10


def resolve_device(name: str) -> torch.device:
    """The device of a setting: `auto`, `cpu`, `cuda`, `cuda:1`.

    Raises:
        ValueError: if torch cannot use it.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(1, device=name)
        return torch.device(name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device {name!r} cannot be used: {reason}; use auto or cpu") from error


@dataclass(frozen=True, kw_only=True, slots=True)
class CpuCapabilities:
    """Instruction sets that the libraries of this process may use."""

    instructions: frozenset[str]
    """Instruction sets of the processor, by torch's names."""
    aten: str
    """Instruction set of torch's own kernels, which `ATEN_CPU_CAPABILITY` limits."""
    onednn_limit: str = ""
    """Instruction set that oneDNN is limited to; empty for no limit."""

    @property
    def has_native_bf16(self) -> bool:
        """Whether both libraries use bf16 instructions; False if the processor is not x86."""
        return (
            any(name in self.instructions for name in BF16_INSTRUCTIONS)
            and self.aten.upper().startswith("AVX512")
            and self.onednn_limit.upper() not in ISA_WITHOUT_BF16
        )


def cpu_capabilities(environment: Mapping[str, str] = os.environ) -> CpuCapabilities:
    """The processor's instruction sets, and the limits of this process."""
    # torch has no public function for a single instruction set before `get_capabilities`
    known: Any = torch.cpu
    found: Mapping[str, Any] = getattr(known, "get_capabilities", dict)()
    instructions = {name for name, value in found.items() if value is True}
    if getattr(known, "_is_avx512_bf16_supported", bool)():
        instructions.add("avx512_bf16")
    limits = [value for name in ISA_VARIABLES if (value := environment.get(name))]
    return CpuCapabilities(
        instructions=frozenset(instructions),
        aten=torch.backends.cpu.get_cpu_capability(),
        onednn_limit=limits[0] if limits else "",
    )


def has_native_bf16(device: torch.device) -> bool:
    """Whether the device has bf16 instructions, hence is faster than in fp32."""
    match device.type:
        case "cuda":
            with torch.cuda.device(device):
                return torch.cuda.is_bf16_supported(including_emulation=False)
        case "cpu":
            return cpu_capabilities().has_native_bf16
        case _:
            return False


def resolve_precision(wanted: PrecisionChoice, device: torch.device) -> Precision:
    """The precision to compute in."""
    if wanted != "auto":
        return wanted
    return "bf16" if has_native_bf16(device) else "fp32"


def bf16_slowdown(device: torch.device) -> float:
    """Measure the time of a convolution's forward and backward pass in bf16 over that in fp32.

    Takes about a second if bf16 is emulated.
    """
    x = torch.rand(4, 32, 32, 32, device=device).to(memory_format=torch.channels_last)
    conv = nn.Conv2d(32, 32, 3, padding=1).to(device)
    conv.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in its stub
    x.requires_grad_()

    def seconds(*, bf16: bool) -> float:
        start = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            loss = conv(x).float().sum()
        loss.backward()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - start

    rounds = [(seconds(bf16=True), seconds(bf16=False)) for _ in range(PROBE_ROUNDS + 1)]
    # the first round warms up; the minimum is least disturbed by other programs
    slow, fast = (min(times) for times in zip(*rounds[1:], strict=True))
    return slow / fast
