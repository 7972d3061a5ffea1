"""What computes, and in which precision."""

import os
import shutil
from collections.abc import Iterator, Mapping

import torch

from esrgan_core.devices import bf16_slowdown, has_native_bf16, resolve_device
from pipelines.config.params import PARAMS, ParamsError, read_yaml
from pipelines.ops.doctor.finding import Finding, fault, remark, well
from pipelines.runtime.device import requested_device


def devices() -> Iterator[Finding]:
    """Which device computes, and by how many threads."""
    wanted = requested_device()
    try:
        device = resolve_device(wanted)
    except ValueError as error:
        yield fault("device", f"ESRGAN_DEVICE: {error}", "unset ESRGAN_DEVICE, or set it to cpu")
        return
    driver = shutil.which("nvidia-smi")
    if driver and not torch.cuda.is_available():
        yield remark(
            "device",
            f"there is a driver of NVIDIA's, but torch {torch.__version__} cannot use it",
            "install a CUDA build of torch of the version in requirements.lock",
        )
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    native = has_native_bf16(device)
    trained = "auto trains in bf16" if native else "no bf16 of its own: auto trains in fp32"
    yield well("device", f"{device}: {name}, {trained}")
    cores = os.cpu_count() or 1
    threads = int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads()))
    if threads > cores or ("OMP_NUM_THREADS" in os.environ and threads < cores):
        yield remark(
            "threads", f"{threads} for {cores} cores", "unset OMP_NUM_THREADS and MKL_NUM_THREADS"
        )
    else:
        yield well("threads", f"{threads} for {cores} cores")


def precision() -> Iterator[Finding]:
    """Whether params.yaml asks for bf16 on a device that only emulates it."""
    try:
        params = read_yaml(PARAMS)
    except ParamsError:
        return  # another check reports it
    asking = [
        f"{name}.precision"
        for name, section in params.items()
        if isinstance(section, Mapping) and section.get("precision") == "bf16"
    ]
    if not asking:
        return
    device = resolve_device(requested_device())
    if has_native_bf16(device):
        yield well("precision", f"bf16 in {', '.join(asking)}, which {device} computes natively")
    else:
        yield remark(
            "precision",
            f"{PARAMS} asks for bf16 in {', '.join(asking)}, which {device} emulates: a "
            f"convolution takes {bf16_slowdown(device):.1f} times as long as in fp32 (measured)",
            f"set {' and '.join(asking)} to auto",
        )
