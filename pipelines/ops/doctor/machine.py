"""The machine: memory, disk space, the device that computes, and its precision."""

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile

import psutil
import torch
from rich.filesize import decimal

from esrgan_core.devices import bf16_slowdown, has_native_bf16, resolve_device
from esrgan_core.inference.engines.ncnn_engine import is_installed
from esrgan_core.inference.engines.vulkan import find_devices
from esrgan_core.memory import free_memory
from pipelines.config.params import PARAMS, ParamsError, read_yaml
from pipelines.ops.doctor import Finding
from pipelines.runtime.state import requested_device, state_root_path

MIN_MEMORY = 2 * 2**30
MIN_DISK = 5 * 2**30


def check_device() -> Iterator[Finding]:
    """Check the device and the number of threads."""
    try:
        device = resolve_device(requested_device())
    except ValueError as error:
        remedy = "unset ESRGAN_DEVICE, or set it to cpu"
        yield Finding("device", f"ESRGAN_DEVICE: {error}", remedy)
        return
    if shutil.which("nvidia-smi") and not torch.cuda.is_available():
        message = f"there is an NVIDIA driver, but torch {torch.__version__} cannot use it"
        remedy = "install a CUDA build of the torch version in requirements.lock"
        yield Finding("device", message, remedy, "warning")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    training = "auto trains in bf16" if has_native_bf16(device) else "no bf16: auto trains in fp32"
    yield Finding("device", f"{device}: {name}, {training}")
    cores = os.cpu_count() or 1
    threads = int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads()))
    is_wrong = threads > cores or ("OMP_NUM_THREADS" in os.environ and threads < cores)
    remedy = "unset OMP_NUM_THREADS and MKL_NUM_THREADS" if is_wrong else ""
    yield Finding("threads", f"{threads} on {cores} cores", remedy, "warning")


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
    device, listed = resolve_device(requested_device()), ", ".join(keys)
    if has_native_bf16(device):
        yield Finding("precision", f"bf16 in {listed}, native on {device}")
        return
    message = (
        f"{PARAMS} requests bf16 in {listed}, which {device} emulates: a convolution takes "
        f"{bf16_slowdown(device):.1f} times as long as in fp32 (measured)"
    )
    remedy = f"set {'it' if len(keys) == 1 else 'them'} to auto"
    yield Finding("precision", message, remedy, "warning")


def check_engines() -> Iterator[Finding]:
    """List the engine ncnn and the devices that it can use through Vulkan."""
    if not is_installed():
        yield Finding("engines", "torch; the extra 'ncnn' adds faster fp32 and GPUs by Vulkan")
        return
    devices = [
        f"vulkan:{device.index} ({device.name}{', a program' if device.is_software else ''})"
        for device in find_devices()
    ]
    yield Finding("engines", f"torch, ncnn; by Vulkan: {', '.join(devices) or 'no device'}")


def check_memory() -> Iterator[Finding]:
    """Check the free memory."""
    free, total = free_memory(), psutil.virtual_memory().total
    remedy = f"free at least {decimal(MIN_MEMORY)}" if free < MIN_MEMORY else ""
    yield Finding("memory", f"{decimal(free)} free of {decimal(total)}", remedy)


def check_disks() -> Iterator[Finding]:
    """Check that the state root can be written and that disks have space."""
    root = state_root_path()
    existing = next(folder for folder in (root, *root.parents) if folder.is_dir())
    try:
        with NamedTemporaryFile(dir=existing):
            yield Finding("state root", str(root))
    except OSError as error:
        remedy = "change its permissions, or set ESRGAN_STATE to another folder"
        yield Finding("state root", f"{root} cannot be written: {error}", remedy)
    folders = {"disk of the state root": existing, "disk of the project": Path.cwd()}
    remedy = "esrgan prune --caches, dvc gc, or ESRGAN_STATE on another disk"
    for subject, folder in folders.items():
        free = shutil.disk_usage(folder).free
        message = f"{decimal(free)} free in {folder}"
        yield Finding(subject, message, remedy if free < MIN_DISK else "")


MACHINE = (check_device, check_precision, check_engines, check_memory, check_disks)
