"""Each problem of an installation is found, with a remedy."""

import importlib.metadata
import json
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from email import message_from_string
from pathlib import Path
from threading import Thread
from types import ModuleType, SimpleNamespace

import pytest
from typer.testing import CliRunner

from pipelines.cli.app import app
from pipelines.ops.doctor import Finding, checks, hosts, installation, machine, project
from pipelines.ops.doctor.checks import run_checks
from pipelines.tracking import client as store
from pipelines.tracking.database import DATABASE
from tests.support import ROOT

SECRET = "s3cr3t"
Seed = Callable[[pytest.MonkeyPatch, Path], None]


@pytest.fixture
def healthy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository without problems."""
    for name in ("params.yaml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / ".dvc", tmp_path / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp"))
    for args in (["init", "--quiet"], ["config", "user.email", "a@localhost"]):
        subprocess.run(["git", *args], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_PROFILE",
                 "AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_URI", "ESRGAN_DEVICE",
                 "OMP_NUM_THREADS", "DVC_ROOT"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path / ".esrgan"))
    monkeypatch.setattr(machine, "MIN_MEMORY", 1)
    monkeypatch.setattr(machine, "MIN_DISK", 1)
    return tmp_path


def with_version(name: str, version: str | None) -> Seed:
    """Another version of a package is installed, or none."""

    def seed(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        del folder
        real = [
            SimpleNamespace(metadata=metadata)
            for metadata in (each.metadata for each in importlib.metadata.distributions())
            if metadata["Name"].lower() != name
        ]
        if version:
            metadata = message_from_string(f"Name: {name}\nVersion: {version}\n")
            real.append(SimpleNamespace(metadata=metadata))
        monkeypatch.setattr(importlib.metadata, "distributions", lambda: real)

    return seed


def with_env(**env: str) -> Seed:
    def seed(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        del folder
        for name, value in env.items():
            monkeypatch.setenv(name, value)

    return seed


def with_emulated_bf16(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    params = folder / "params.yaml"
    text = params.read_text(encoding="utf-8")
    params.write_text(text.replace("precision: auto", "precision: bf16", 2), encoding="utf-8")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")


def with_value(module: ModuleType, name: str, value: object) -> Seed:
    return lambda monkeypatch, folder: monkeypatch.setattr(module, name, value)


def with_module(*args: str) -> Seed:
    def seed(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", *args], cwd=folder, check=True)

    return seed


def broken_params(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    text = (folder / "params.yaml").read_text()
    (folder / "params.yaml").write_text(text.replace("  steps: ", "  step: ", 1))


def damaged_store(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / ".esrgan").mkdir()
    (folder / ".esrgan" / "mlflow.db").write_bytes(b"no database" * 100)


def store_in(folder: Path) -> Path:
    """The database of a real store that has our experiment."""
    for known in (store.client, store.experiment_id):
        known.cache_clear()
    store.experiment_id()
    for known in (store.client, store.experiment_id):
        known.cache_clear()
    return folder / ".esrgan" / DATABASE


def changed_store(statement: str) -> Seed:
    def seed(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        with closing(sqlite3.connect(store_in(folder))) as base, base:
            base.execute(statement)

    return seed


def serve_raw(monkeypatch: pytest.MonkeyPatch, *pieces: bytes, delay: float = 0) -> None:
    """Use an MLflow server that answers one request in pieces."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]

    def answer() -> None:
        with listening, listening.accept()[0] as connection, suppress(OSError):
            connection.recv(10000)
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(delay)

    Thread(target=answer, daemon=True).start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:{SECRET}@127.0.0.1:{port}")


def server_with_deleted_experiment(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    body = json.dumps({"experiment": {"experiment_id": "7", "lifecycle_stage": "deleted"}})
    serve_raw(monkeypatch, f"HTTP/1.0 200 OK\r\n\r\n{body}".encode())


def trickling_server(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Every piece of the answer comes before the timeout, but the answer never ends."""
    serve_raw(monkeypatch, b"HTTP/1.1 200 OK\r\n", *[b"More: to come\r\n"] * 10, delay=0.5)


def silent_server(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    serve_raw(monkeypatch, b"", delay=5)


def state_root_is_a_link_to_nowhere(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    # root may write anywhere, but not into /proc
    monkeypatch.setattr(machine, "state_root_path", lambda: Path("/proc/self"))


def no_repository(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    shutil.rmtree(folder / ".git")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(folder.parent))


PROBLEMS: dict[str, tuple[Seed, str, str]] = {
    "old Python": (
        with_value(installation, "PYTHONS", ((3, 98), (3, 99))), "Python", "is not supported",
    ),
    "package missing": (with_version("typer", None), "packages", "not installed: typer"),
    "package of another version": (
        with_version("typer", "0.1"), "packages", "typer 0.1 instead of",
    ),
    "fastapi too new": (with_version("fastapi", "0.155.0"), "versions", "0.155.0 .* need <0.151"),
    "torch too old": (with_version("torch", "2.4.0"), "versions", "torch 2.4.0 .* need >=2.10"),
    "boto3 and botocore differ": (
        with_version("botocore", "1.1"), "versions", "botocore 1.1 does not fit",
    ),
    "device missing": (with_env(ESRGAN_DEVICE="cuda:9"), "device", "cuda:9"),
    "too many threads": (with_env(OMP_NUM_THREADS="1"), "threads", "on "),
    "bf16 that is emulated": (
        with_emulated_bf16, "precision",
        r"bf16 in pretrain.precision, finetune.precision, which cpu emulates: .* takes \d+\.\d "
        r"times .*; set them to auto",
    ),
    "little memory": (with_value(machine, "MIN_MEMORY", 2**60), "memory", "free of"),
    "little disk": (with_value(machine, "MIN_DISK", 2**60), "disk of the project", "free in"),
    "state root not writable": (
        state_root_is_a_link_to_nowhere, "state root", "cannot be written",
    ),
    "params.yaml with an unknown key": (broken_params, "params.yaml", "did you mean steps"),
    "no repository": (no_repository, "git", "not a repository"),
    "no identity": (
        with_env(GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0="user.email", GIT_CONFIG_VALUE_0=""),
        "git", "no identity",
    ),
    "remote not verified": (
        with_module("dvc", "remote", "add", "--quiet", "--default", "far", "/"),
        "DVC remote", "verify is off",
    ),
    "remote missing": (
        with_module("dvc", "remote", "add", "--quiet", "--default", "far", "/not/there"),
        "DVC remote", "/not/there does not exist",
    ),
    "MLflow down": (
        with_env(MLFLOW_TRACKING_URI=f"http://me:{SECRET}@127.0.0.1:9"), "MLflow",
        "cannot be reached",
    ),
    "MLflow silent": (silent_server, "MLflow", "no answer within 2 s"),
    "MLflow trickling": (trickling_server, "MLflow", "no answer within 2 s"),
    "MLflow damaged": (damaged_store, "MLflow", "cannot be read"),
    "MLflow of another version": (
        changed_store("UPDATE alembic_version SET version_num = 'other'"), "MLflow",
        "has schema other, this version of MLflow needs ",
    ),
    "MLflow's experiment deleted": (
        changed_store("UPDATE experiments SET lifecycle_stage = 'deleted'"), "MLflow",
        "the experiment esrgan was deleted",
    ),
    "MLflow's experiment deleted at a server": (
        server_with_deleted_experiment, "MLflow", "the experiment esrgan was deleted",
    ),
    "S3 down": (
        with_env(AWS_ENDPOINT_URL="http://127.0.0.1:9", AWS_ACCESS_KEY_ID="me",
                 AWS_SECRET_ACCESS_KEY=SECRET),
        "S3", "cannot be reached",
    ),
    "S3 without credentials": (
        with_env(AWS_ENDPOINT_URL="http://127.0.0.1:9"), "S3", "no credentials",
    ),
    "telemetry on": (with_env(MLFLOW_DISABLE_TELEMETRY="false"), "telemetry", "MLflow"),
}  # fmt: skip

CHECKS = {
    "Python": installation.check_python,
    "packages": installation.check_packages,
    "versions": installation.check_packages,
    "device": machine.check_device,
    "threads": machine.check_device,
    "precision": machine.check_precision,
    "memory": machine.check_memory,
    "disk of the project": machine.check_disks,
    "state root": machine.check_disks,
    "params.yaml": project.check_params_yaml,
    "git": project.check_git,
    "DVC remote": project.check_dvc,
    "MLflow": hosts.check_mlflow,
    "S3": hosts.check_s3,
    "telemetry": installation.check_telemetry,
}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_problem_is_found_with_a_remedy(
    problem: str, healthy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed, subject, message = PROBLEMS[problem]
    seed(monkeypatch, healthy)
    # the test without problems runs all checks
    found = [one for one in CHECKS[subject]() if one.level != "ok"]
    texts = [f"{one.message}; {one.remedy}" for one in found if one.subject == subject]
    assert any(re.search(message, text) for text in texts), found
    assert all(one.remedy for one in found)
    assert SECRET not in str(found)


def test_without_problems_all_checks_are_ok(healthy: Path) -> None:
    store_in(healthy)
    assert [one for one in run_checks() if one.level != "ok"] == []
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert result.exit_code == 0
    assert {one["level"] for one in json.loads(result.stdout)} == {"ok"}


def test_a_check_that_raises_stops_no_other(healthy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def _broken() -> Iterator[Finding]:
        raise RuntimeError("unforeseen")

    others = [one.subject for one in run_checks()]
    monkeypatch.setattr(checks, "WAITING", (_broken, *checks.WAITING))
    found = list(run_checks())
    assert [one.subject for one in found if one.message != "RuntimeError: unforeseen"] == others
    assert len(found) == len(others) + 1
    assert CliRunner().invoke(app, ["doctor"]).exit_code == 1


def test_a_warning_is_not_an_error(healthy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store_in(healthy)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "false")
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0
    assert (
        "warning telemetry: on: MLflow\n        set MLFLOW_DISABLE_TELEMETRY=true" in result.output
    )
