"""The library and commands on files, without the parts of Python that Windows lacks.

The tests hide these parts on Linux, to show that our code does not need them. Other packages are
imported before, since they have Windows builds.
"""

import subprocess
import sys
from pathlib import Path

import torch

from esrgan_core.io.rgb import read_rgb, write_png
from esrgan_core.models.build import build_generator
from esrgan_core.models.configs import RRDBNetConfig
from esrgan_core.models.weights import save_weights
from tests.conftest import textured

HIDE = """
import ctypes, errno, fcntl, os, platform, signal, sys
import filelock, imagecodecs, numpy, pandas, PIL.Image, psutil, pyarrow, rich.progress, scipy
import safetensors.torch, tifffile, torch, typer.testing

for module in ("fcntl", "grp", "pwd", "resource", "syslog", "termios"):
    sys.modules[module] = None
for name in ("SIGALRM", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGUSR1", "SIGUSR2"):
    delattr(signal, name)
for name in ("O_DIRECTORY", "confstr", "fork", "getpgid", "getuid", "killpg", "posix_fadvise",
             "sched_getaffinity", "setsid", "statvfs", "sysconf", "waitid"):
    delattr(os, name)
platform.libc_ver = lambda: ("", "")
CDLL, fsync = ctypes.CDLL, os.fsync

def cdll(name, *rest):
    if name is None:
        raise TypeError("no library of the process itself")
    return CDLL(name, *rest)

def fsync_of_writable(number):
    if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, "open for reading")
    fsync(number)

def refuse_folders(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and os.path.isdir(arguments[0]):
        raise PermissionError(errno.EACCES, "a folder")

ctypes.CDLL, os.fsync = cdll, fsync_of_writable
sys.addaudithook(refuse_folders)
"""
IMPORT = """
import importlib, pkgutil
import esrgan_core
for module in pkgutil.walk_packages(esrgan_core.__path__, "esrgan_core."):
    importlib.import_module(module.name)
from esrgan_core import memory
assert memory.free_memory() > 0 and not memory.keep_freed_memory()
from esrgan_core.engine.signals import handle_signals
with handle_signals() as requests:
    signal.raise_signal(signal.SIGTERM)
assert requests.stop == signal.SIGTERM
"""
RUN = """
from pipelines.cli.app import main
for command in (
    "upscale images -o large --model small.safetensors",
    "upscale images -o large --model small.safetensors",
    "convert small.safetensors small.pth --layout basicsr",
    "info small.pth",
    "evaluate --hr images --model small.pth --metrics psnr_y",
):
    sys.argv = ["esrgan", *command.split()]
    try:
        main()
    except SystemExit as end:
        assert not end.code, (command, end.code)
"""


def test_the_library_works(tmp_path: Path) -> None:
    _run(HIDE + IMPORT, tmp_path)


def test_commands_on_files_work(tmp_path: Path) -> None:
    write_png(tmp_path / "images" / "a.png", textured(32, 40))
    config = RRDBNetConfig(num_features=8, num_blocks=1, growth_channels=4)
    torch.manual_seed(0)
    state = build_generator(config).state_dict()
    save_weights(tmp_path / "small.safetensors", state, config, {})
    printed = _run(HIDE + RUN, tmp_path)
    assert read_rgb(tmp_path / "large" / "a.png").shape == (128, 160, 3)
    assert "0 done, 1 skipped" in printed


def _run(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stderr
