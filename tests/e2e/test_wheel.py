"""The project as a wheel, where only its base dependencies are installed."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from email import message_from_bytes
from pathlib import Path
from zipfile import ZipFile

import pytest
import torch
from packaging.utils import canonicalize_name
from typer.main import get_command

from esrgan_core.io.rgb import read_rgb, write_png
from esrgan_core.models.build import build_generator
from esrgan_core.models.configs import RRDBNetConfig
from esrgan_core.models.weights import save_weights
from pipelines.cli.app import app
from pipelines.ops.doctor.installation import find_required
from tests.conftest import textured
from tests.support import ROOT

PACKAGES = ("esrgan_core", "pipelines", "benchmarks")
FOR_A_CLONE = (".yaml", ".lock", "")
"""Suffixes of DVC's files, which mean nothing without the repository."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the sources, so that no older build gets in."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    for name in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    target = tmp_path_factory.mktemp("wheel")
    _run(
        target, sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps",
        "--no-build-isolation", "--wheel-dir", target, source,
    )  # fmt: skip
    (built,) = target.iterdir()
    return built


@pytest.fixture(scope="module")
def base(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel and links to the packages that it requires, to no others.

    What the packages require in turn is taken from their metadata; links spare the minute and the
    gigabyte that installing torch again would take.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    _run(
        folder, sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install",
        "--quiet", "--no-deps", "--no-index", wheel,
    )  # fmt: skip
    with ZipFile(wheel) as archive:
        (path,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        own = message_from_bytes(archive.read(path)).get_all("Requires-Dist") or []
    requires = {
        str(canonicalize_name(each.metadata["Name"])): each.requires or []
        for each in importlib.metadata.distributions()
    }
    names = find_required("esrgan", {**requires, "esrgan": own}).keys() - {"esrgan"}
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    for name in names:
        distribution = importlib.metadata.distribution(name)
        for entry in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            if not (site / entry).exists():
                (site / entry).symlink_to(Path(str(distribution.locate_file(entry))))
    return folder


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image in `hr/`, as small as NIQE takes, and small weights."""
    folder = tmp_path_factory.mktemp("files")
    write_png(folder / "hr" / "a.png", textured(304, 304))
    config = RRDBNetConfig(num_features=8, num_blocks=1, growth_channels=4)
    torch.manual_seed(0)
    network = build_generator(config)
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.1)  # the default's result is flat, which NIQE refuses
    save_weights(folder / "small.safetensors", network.state_dict(), config, {})
    return folder


def test_the_wheel_has_the_command_and_every_file_of_the_packages(wheel: Path) -> None:
    expected = {
        path.relative_to(ROOT).as_posix()
        for name in PACKAGES
        for path in (ROOT / name).rglob("*")
        if path.is_file()
        and path.suffix not in FOR_A_CLONE
        and not {"__pycache__", "results"} & set(path.parts)
    }
    with ZipFile(wheel) as archive:
        assert expected - set(archive.namelist()) == set()
        (path,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert "esrgan = pipelines.cli.app:main" in archive.read(path).decode()


def test_nothing_is_missing_or_too_old(base: Path) -> None:
    printed = _run(base, sys.executable, "-m", "pip", "--python", base / "bin" / "python", "check")
    assert printed.strip() == "No broken requirements found."


def test_commands_on_files_run(base: Path, files: Path) -> None:
    esrgan = base / "bin" / "esrgan"
    _run(files, esrgan, "upscale", "hr", "-o", "large", "--model", "small.safetensors")
    assert read_rgb(files / "large" / "a.png").shape == (1216, 1216, 3)
    _run(files, esrgan, "convert", "small.safetensors", "small.pth", "--layout", "basicsr")
    assert "basicsr" in _run(files, esrgan, "info", "small.pth")
    table = _run(files, esrgan, "evaluate", "--hr", "hr", "--model", "small.pth")
    assert table.split()[:3] == ["psnr_y", "ssim_y", "niqe"]


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("models", "pipeline"),
        ("upscale hr -o large", "pipeline"),
        ("export -o small.onnx --model small.safetensors", "export"),
    ],
)
def test_a_missing_extra_is_named(
    base: Path, files: Path, command: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    args = command.split()
    printed = _run(files, base / "bin" / "esrgan", *args, fails=True)
    line = f"esrgan: {args[0]} needs the extra '{extra}': pip install 'esrgan[{extra}]'"
    assert printed.startswith(line)
    assert printed.count("\n") == 1


def test_every_command_has_help(base: Path) -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]  # it is a group
    names = [*commands] + [
        f"{group} {name}"
        for group, command in commands.items()
        for name in getattr(command, "commands", ())
    ]
    _run(base, base / "bin" / "python", "-c", HELP, *names)


HELP = """
import sys
from typer.testing import CliRunner
from pipelines.cli import app as cli

assert cli.__file__.startswith(sys.prefix), cli.__file__
for name in sys.argv[1:]:
    result = CliRunner().invoke(cli.app, [*name.split(), "--help"])
    assert "Usage" in result.output, (name, result.exception)
"""


def _run(folder: Path, *args: str | Path, fails: bool = False) -> str:
    """What a command printed in `folder`: its errors if it fails, as it then must."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(arg) for arg in args],
        cwd=folder,
        env=env,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stderr if fails else done.stdout
