"""GPUs that ncnn can use through Vulkan, of any vendor."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from esrgan_core.inference.engines.ncnn_engine import import_ncnn, is_installed

SOFTWARE = 3
"""Type of a device that is a program on the CPU, such as Mesa's lavapipe."""
NAME = re.compile(r"vulkan(?::(\d+))?")


@dataclass(frozen=True, kw_only=True, slots=True)
class VulkanDevice:
    """One device."""

    index: int
    name: str
    is_software: bool


def find_devices() -> list[VulkanDevice]:
    """All devices; none without ncnn, a Vulkan library or a driver."""
    if not is_installed():
        return []
    ncnn = import_ncnn()
    with _silence():
        count = ncnn.get_gpu_count()
    infos = [ncnn.get_gpu_info(index) for index in range(count)]
    return [
        VulkanDevice(index=index, name=info.device_name(), is_software=info.type() == SOFTWARE)
        for index, info in enumerate(infos)
    ]


def parse_vulkan(name: str) -> int | None:
    """The index of `vulkan` or `vulkan:1`; None for the name of another device.

    Raises:
        ValueError: if there is no such device.
    """
    match = NAME.fullmatch(name)
    if match is None:
        return None
    if not is_installed():
        raise ValueError(f"device {name!r} needs ncnn: pip install 'esrgan[ncnn]'")
    index, devices = int(match[1] or 0), find_devices()
    if index < len(devices):
        return index
    if not devices:
        raise ValueError(
            f"device {name!r}: no GPU with a Vulkan driver was found; install the driver and "
            "libvulkan, or use --device cpu"
        )
    known = ", ".join(f"vulkan:{device.index} ({device.name})" for device in devices)
    raise ValueError(f"device {name!r} does not exist; choose from {known}")


@contextmanager
def _silence() -> Iterator[None]:
    """Drop what C++ code writes to standard error."""
    sys.stderr.flush()
    saved = os.dup(2)
    with open(os.devnull, "wb") as null:  # noqa: PTH123  a device
        os.dup2(null.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
