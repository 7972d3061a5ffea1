"""The doctor names each of these faults, with a remedy."""

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
from pipelines.ops.doctor import devices, examination, hosts, installation, machine, project
from pipelines.ops.doctor.examination import examine
from pipelines.ops.doctor.finding import Finding
from pipelines.tracking import client as store
from pipelines.tracking.database import DATABASE
from tests.support import ROOT

SECRET = "s3cr3t"
Seed = Callable[[pytest.MonkeyPatch, Path], None]


@pytest.fixture
def sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository in which nothing is wrong."""
    for name in ("params.yaml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / ".dvc", tmp_path / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp"))
    for words in (["init", "--quiet"], ["config", "user.email", "a@localhost"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_PROFILE",
                 "AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_URI", "ESRGAN_DEVICE",
                 "OMP_NUM_THREADS", "DVC_ROOT"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path / ".esrgan"))
    monkeypatch.setattr(machine, "LEAST_MEMORY", 1)
    monkeypatch.setattr(machine, "LEAST_DISK", 1)
    return tmp_path


def with_version(name: str, version: str | None) -> Seed:
    """As if another version of a package were installed, or none."""

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


def with_env(**words: str) -> Seed:
    def seed(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        del folder
        for name, value in words.items():
            monkeypatch.setenv(name, value)

    return seed


def with_emulated_bf16(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    params = folder / "params.yaml"
    text = params.read_text(encoding="utf-8")
    params.write_text(text.replace("precision: auto", "precision: bf16", 1), encoding="utf-8")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")


def with_value(module: ModuleType, name: str, value: object) -> Seed:
    return lambda monkeypatch, folder: monkeypatch.setattr(module, name, value)


def with_command(*words: str) -> Seed:
    def seed(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", *words], cwd=folder, check=True)

    return seed


def broken_recipe(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    text = (folder / "params.yaml").read_text()
    (folder / "params.yaml").write_text(text.replace("  steps: ", "  step: ", 1))


def broken_store(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / ".esrgan").mkdir()
    (folder / ".esrgan" / "mlflow.db").write_bytes(b"no database" * 100)


def store_in(folder: Path) -> Path:
    """The database of a real store, with our experiment."""
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


def server_without_experiment(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """One that answers as MLflow's does of an experiment that was deleted."""
    del folder
    body = json.dumps({"experiment": {"experiment_id": "7", "lifecycle_stage": "deleted"}})
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]

    def answer() -> None:
        with listening:
            listening.accept()[0].close()  # whether somebody listens at all
            connection, _ = listening.accept()
            with connection:
                connection.recv(10000)
                connection.sendall(f"HTTP/1.0 200 OK\r\n\r\n{body}".encode())

    Thread(target=answer, daemon=True).start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")


def state_root_is_a_link_to_nowhere(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    # root may write anywhere, but not into /proc
    monkeypatch.setattr(machine, "state_root_path", lambda: Path("/proc/self"))


def no_repository(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    shutil.rmtree(folder / ".git")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(folder.parent))


def silent_server(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    port = listening.getsockname()[1]
    listening.detach()  # open as long as this process lives
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:{SECRET}@127.0.0.1:{port}")


def trickling_server(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Each piece of its answer comes in time; the answer never does."""
    del folder
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]

    def trickle() -> None:
        with listening:
            listening.accept()[0].close()  # whether somebody listens at all
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                for _ in range(10):
                    time.sleep(0.5)
                    connection.sendall(b"More: to come\r\n")

    Thread(target=trickle, daemon=True).start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")


FAULTS: dict[str, tuple[Seed, str, str]] = {
    "old Python": (
        with_value(installation, "PYTHONS", ((3, 98), (3, 99))), "Python", "is not supported",
    ),
    "package missing": (with_version("typer", None), "packages", "not installed: typer"),
    "package of another version": (
        with_version("typer", "0.1"), "packages", "typer 0.1 instead of",
    ),
    "fastapi too new": (with_version("fastapi", "0.155.0"), "versions", "breaks? Prefect's server"),
    "torch too old": (with_version("torch", "2.4.0"), "versions", "torch 2.4.0"),
    "boto3 and botocore apart": (with_version("botocore", "1.1"), "versions", "belong together"),
    "device that is not there": (with_env(ESRGAN_DEVICE="cuda:9"), "device", "cuda:9"),
    "too many threads": (with_env(OMP_NUM_THREADS="1"), "threads", "for "),
    "bf16 that is emulated": (
        with_emulated_bf16, "precision",
        r"bf16 in pretrain.precision, which cpu emulates: .* takes \d+\.\d times",
    ),
    "little memory": (with_value(machine, "LEAST_MEMORY", 2**60), "memory", "free of"),
    "little disk": (with_value(machine, "LEAST_DISK", 2**60), "disk of the project", "free below"),
    "state root not writable": (
        state_root_is_a_link_to_nowhere, "state root", "cannot be written",
    ),
    "recipe with a mistake": (broken_recipe, "params.yaml", "did you mean steps"),
    "no repository": (no_repository, "git", "no repository"),
    "no identity": (
        with_env(GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0="user.email", GIT_CONFIG_VALUE_0=""),
        "git", "knows no identity",
    ),
    "remote not verified": (
        with_command("dvc", "remote", "add", "--quiet", "--default", "far", "/"),
        "DVC remote", "verify is off",
    ),
    "remote not there": (
        with_command("dvc", "remote", "add", "--quiet", "--default", "far", "/not/there"),
        "DVC remote", "/not/there is not there",
    ),
    "MLflow down": (
        with_env(MLFLOW_TRACKING_URI=f"http://me:{SECRET}@127.0.0.1:9"), "MLflow",
        "cannot be reached",
    ),
    "MLflow silent": (silent_server, "MLflow", "no answer within 2 s"),
    "MLflow trickling": (trickling_server, "MLflow", "no answer within 2 s"),
    "MLflow damaged": (broken_store, "MLflow", "cannot be read"),
    "MLflow of another version": (
        changed_store("UPDATE alembic_version SET version_num = 'other'"), "MLflow",
        "has the schema other, this MLflow the schema ",
    ),
    "MLflow's experiment deleted": (
        changed_store("UPDATE experiments SET lifecycle_stage = 'deleted'"), "MLflow",
        "the experiment esrgan was deleted",
    ),
    "MLflow's experiment deleted at a server": (
        server_without_experiment, "MLflow", "the experiment esrgan was deleted",
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

LOOKS = {
    "Python": installation.python,
    "packages": installation.packages,
    "versions": installation.packages,
    "device": devices.devices,
    "threads": devices.devices,
    "precision": devices.precision,
    "memory": machine.memory,
    "disk of the project": machine.disks,
    "state root": machine.disks,
    "params.yaml": project.recipe,
    "git": project.repository,
    "DVC remote": project.dvc,
    "MLflow": hosts.mlflow,
    "S3": hosts.s3,
    "telemetry": installation.telemetry,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_a_remedy(
    fault: str, sound: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed, what, words = FAULTS[fault]
    seed(monkeypatch, sound)
    # all looks are at work where nothing is wrong
    found = [one for one in LOOKS[what]() if one.state != "well"]
    named = [one for one in found if one.what == what and words_in(words, one)]
    assert named, found
    assert all(one.remedy for one in found)
    assert SECRET not in str(found)


def words_in(words: str, finding: Finding) -> bool:
    return re.search(words, finding.words) is not None


def test_where_nothing_is_wrong_nothing_is_said(sound: Path) -> None:
    store_in(sound)
    assert [one for one in examine() if one.state != "well"] == []
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert result.exit_code == 0
    assert {one["state"] for one in json.loads(result.stdout)} == {"well"}


def test_a_check_that_fails_hides_no_other(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def _broken() -> Iterator[Finding]:
        raise RuntimeError("unforeseen")

    others = [one.what for one in examine()]
    monkeypatch.setattr(examination, "WAITING", (_broken, *examination.WAITING))
    found = list(examine())
    assert [one.what for one in found if one.words != "RuntimeError: unforeseen"] == others
    assert len(found) == len(others) + 1
    assert CliRunner().invoke(app, ["doctor"]).exit_code == 1
