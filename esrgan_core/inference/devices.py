"""Where a network computes, and in which precision that is fast."""

from typing import Any

import torch


def device_of(word: str) -> torch.device:
    """The device that `UpscaleConfig.device` names.

    Raises:
        ValueError: if there is none such.
    """
    if word == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(1, device=word)
        return torch.device(word)
    except (RuntimeError, AssertionError) as error:
        said = str(error).splitlines()[0]
        raise ValueError(f"device {word!r} cannot be used: {said}; take auto or cpu") from error


def computes_in_bf16(device: torch.device) -> bool:
    """Whether bf16 is faster there than fp32, not merely possible."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    # the names are torch's own, without a public one
    known: Any = torch.cpu
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(known, name, bool)() for name in names)
