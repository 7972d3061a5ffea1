"""Errors of the user end with one line, defects with their traceback."""

import re
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.config.errors import UserError
from pipelines.sources.errors import HostError
from pipelines.tracking.store_errors import StoreDownError


def run(monkeypatch: pytest.MonkeyPatch, *args: str) -> str:
    """The message of a command that the user can fix."""
    monkeypatch.setattr(sys, "argv", ["esrgan", *args])
    with pytest.raises(SystemExit) as caught:
        app.main()
    return str(caught.value)


def raise_in_info(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def read_weights(file: Path) -> None:
        raise error

    monkeypatch.setattr("esrgan_core.models.reading.read_weights", read_weights)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (UserError("no layout x"), "esrgan: no layout x"),
        (HostError("https://me:secret@host/a does not answer"), "esrgan: https://host/a does not"),
        (StoreDownError("MLflow does not answer"), "esrgan: MLflow does not answer"),
        (PermissionError(13, "Permission denied", "a.pth"), "esrgan: [Errno 13] Permission denied"),
        (
            ModuleNotFoundError(name="mlflow"),
            "esrgan: info needs the extra 'pipeline': pip install 'esrgan[pipeline]'",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_of_the_user_is_one_line(
    monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    raise_in_info(monkeypatch, error)
    printed = run(monkeypatch, "info", "a.pth")
    assert printed.startswith(message)
    assert "\n" not in printed


@pytest.mark.parametrize(
    "error",
    [
        TypeError("a defect"),
        KeyError("a defect"),
        OSError("a defect"),
        ModuleNotFoundError(name="x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_defect_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    raise_in_info(monkeypatch, error)
    monkeypatch.setattr(sys, "argv", ["esrgan", "info", "a.pth"])
    with pytest.raises(type(error)) as caught:
        app.main()
    assert caught.value is error


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ("info missing.pth", "esrgan: no weights at missing.pth"),
        ("convert missing.pth new.pth", "esrgan: no weights at missing.pth"),
        ("convert missing.pth new.pth --layout keras", "esrgan: no layout 'keras'; choose from"),
        ("export -o new.pth --model missing.pth", "esrgan: new.pth: give it the suffix .onnx"),
        ("upscale missing.png -o new --model missing.pth", "esrgan: missing.png matches no file"),
        ("upscale HR -o new --model missing.pth", "esrgan: no weights at missing.pth"),
        ("upscale HR -o new --precision fp16", "esrgan: unknown --precision 'fp16'"),
        ("upscale HR -o new --scale 99", "esrgan: scale must be in (0, 16], got 99"),
        ("evaluate --hr HR --model bicubic --metrics psnr", "esrgan: no metric psnr"),
        ("evaluate --hr HR --model missing.pth", "esrgan: no weights at missing.pth"),
        ("lr HR new --convention cubic", "esrgan: no convention 'cubic'"),
        ("plan upscale HR --device cuda:99 --model missing.pth", "esrgan: no weights at missing"),
        ("plan train sleep", "esrgan: unknown training sleep; choose from pretrain, finetune"),
        ("catalog missing -o new.csv", "esrgan: no folder missing"),
        ("catalog s3:/bucket -o new.csv", "esrgan: no folder s3:/bucket"),
        ("catalog s3:// -o new.csv", "esrgan: expected s3://bucket/key, got s3://"),
        ("catalog pin missing", "esrgan: no catalog catalogs/missing.csv"),
        ("probe bucket", "esrgan: expected s3://bucket/key, got bucket"),
        ("reproduce models:/", "esrgan: "),
        ("rollback --model a", "esrgan: "),
        ("params --profile missing", "esrgan: "),
        ("verify", "esrgan: "),
        ("promote 1", "esrgan: "),
        ("flow --set pretrain.steps", "esrgan: 'pretrain.steps'"),
        ("compare", "esrgan: "),
    ],
)
def test_mistakes_end_with_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, args: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ESRGAN_STATE", "ESRGAN_REPOSITORY", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "HR").mkdir()
    (tmp_path / "HR" / "a.png").write_bytes(b"no image")
    printed = run(monkeypatch, *args.split())
    assert printed.startswith(message)
    assert "\n" not in printed
    assert not list(tmp_path.glob("new*"))


def command_names() -> list[str]:
    commands = get_command(app.app).commands  # type: ignore[attr-defined]  # it is a group
    groups = {name: getattr(command, "commands", None) for name, command in commands.items()}
    return [f"{name} {sub}".strip() for name, group in groups.items() for sub in (group or [""])]


@pytest.mark.parametrize("name", command_names())
def test_help_has_one_example(name: str) -> None:
    printed = CliRunner().invoke(app.app, [*name.split(), "--help"]).output
    example = name.replace("catalog make", "catalog")
    assert re.search(rf"Example: .*esrgan {example}\b", printed), printed
