"""The device that computes, and its precision."""

import os
import shutil
from collections.abc import Iterator, Mapping

import torch

from esrgan_core.devices import bf16_slowdown, has_native_bf16, resolve_device
from pipelines.config.params import PARAMS, ParamsError, read_yaml
from pipelines.ops.doctor.finding import Finding
from pipelines.runtime.device import requested_device


def check_device() -> Iterator[Finding]:
    """Check the device and the number of threads."""
    try:
        device = resolve_device(requested_device())
    except ValueError as error:
        remedy = "unset ESRGAN_DEVICE, or set it to cpu"
        yield Finding("error", "device", f"ESRGAN_DEVICE: {error}", remedy)
        return
    if shutil.which("nvidia-smi") and not torch.cuda.is_available():
        yield Finding(
            "warning",
            "device",
            f"there is an NVIDIA driver, but torch {torch.__version__} cannot use it",
            "install a CUDA build of the torch version in requirements.lock",
        )
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    training = "auto trains in bf16" if has_native_bf16(device) else "no bf16: auto trains in fp32"
    yield Finding("ok", "device", f"{device}: {name}, {training}")
    cores = os.cpu_count() or 1
    threads = int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads()))
    message = f"{threads} on {cores} cores"
    if threads > cores or ("OMP_NUM_THREADS" in os.environ and threads < cores):
        remedy = "unset OMP_NUM_THREADS and MKL_NUM_THREADS"
        yield Finding("warning", "threads", message, remedy)
    else:
        yield Finding("ok", "threads", message)


def check_precision() -> Iterator[Finding]:
    """Check that params.yaml does not request bf16 on a device that emulates it."""
    try:
        params = read_yaml(PARAMS)
    except ParamsError:
        return  # another check reports it
    keys = [
        f"{name}.precision"
        for name, section in params.items()
        if isinstance(section, Mapping) and section.get("precision") == "bf16"
    ]
    if not keys:
        return
    device = resolve_device(requested_device())
    if has_native_bf16(device):
        yield Finding("ok", "precision", f"bf16 in {', '.join(keys)}, native on {device}")
    else:
        yield Finding(
            "warning",
            "precision",
            f"{PARAMS} requests bf16 in {', '.join(keys)}, which {device} emulates: a "
            f"convolution takes {bf16_slowdown(device):.1f} times as long as in fp32 (measured)",
            f"set {' and '.join(keys)} to auto",
        )
