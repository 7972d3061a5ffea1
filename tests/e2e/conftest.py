"""A copy of the project with a tiny recipe, and the real pipeline run in it once."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir, closing
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from pipelines.cli.app import app
from pipelines.config.params import read_yaml, update_params
from pipelines.tracking import client as store
from tests.conftest import build_once
from tests.support import ROOT

if TYPE_CHECKING:
    from tests.support.trainings import Trainings

MADE = {".git", ".venv", ".esrgan", "artifacts", "data", "dvc.lock", "runs", "build"}
TINY = {
    "generator": {"num_features": 8, "num_blocks": 1, "growth_channels": 4},
    "pretrain": {
        "steps": 60, "patch_size": 64, "batch_size": 4, "schedule": {"warmup": 5},
        "optimizer": {"learning_rate": 2e-3}, "ema": 0.9,
        "validate_every": 30, "save_every": 30, "report_every": 10,
    },
    "discriminator": {"num_features": 4},
    "finetune": {
        "steps": 4, "patch_size": 64, "batch_size": 4,
        "validate_every": 2, "save_every": 2, "report_every": 1,
    },
    "interpolate": {"alphas": [0.0, 0.5, 1.0], "alpha": 0.5},
    "srcnn": {"steps": 6, "validate_every": 6},
    "srresnet": {"network": {"num_features": 8, "num_blocks": 1}, "steps": 6},
    "srgan": {"discriminator": {"num_features": 4}, "steps": 2, "validate_every": 2},
    "sftnet": {"network": {"num_features": 8, "num_blocks": 1}, "steps": 6},
    "sftgan": {
        "discriminator": {"num_features": 4}, "steps": 2, "validate_every": 2,
        "generator_optimizer": {"freeze_steps": 1},
    },
    "contextual": {"discriminator": {"num_features": 4}, "steps": 2, "validate_every": 2},
    "ablation": {
        "seeds": [0, 1], "pretrain_steps": 10, "finetune_steps": 2, "num_features": 8,
        "num_blocks": 1, "growth_channels": 4,
    },
}  # fmt: skip
Run = Callable[..., str]


def _left_out(folder: str, names: list[str]) -> set[str]:
    """What a clean checkout would not have."""
    own = {ROOT: MADE, ROOT / ".dvc": {"cache", "tmp"}}
    made = own.get(Path(folder), set()) & set(names)
    return made | {name for name in names if name == "__pycache__" or name.endswith("_cache")}


def environment(folder: Path) -> dict[str, str]:
    """This process's, with the copy's code first and its own state."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ESRGAN_", "MLFLOW_", "DVC_", "GIT_"))
    }
    # else each of hundreds of processes compiles the copy's code
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    identity = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@localhost"}
    identity |= {name.replace("AUTHOR", "COMMITTER"): text for name, text in identity.items()}
    scripts = str(Path(sys.executable).parent)
    path = os.pathsep.join([scripts, env.get("PATH", "")])
    off = {"DVC_NO_ANALYTICS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
    return env | identity | off | {"PATH": path, "PYTHONPATH": str(folder)}


def command_in(folder: Path) -> Run:
    """A function that runs a command in `folder` and gives what it printed, both streams."""

    def run(*command: str, fails: bool = False, **extra: str) -> str:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment(folder) | extra,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stdout
        return done.stdout

    return run


def esrgan_in(folder: Path) -> Run:
    """A function that runs `esrgan` as if begun in `folder`, where no process of its own matters.

    It gives what was printed, both streams, and the words of an error.
    """

    def run(*words: str, fails: bool = False, **extra: str) -> str:
        env = environment(folder) | {"ESRGAN_REPOSITORY": str(folder)} | extra
        with chdir(folder), patch.dict(os.environ, env, clear=True):
            for known in (store.client, store.experiment_id):
                known.cache_clear()
            done = CliRunner().invoke(app, words)
        if done.exception and not isinstance(done.exception, SystemExit):
            if not fails:
                raise done.exception
            return f"{done.output}{done.exception}"
        assert (done.exit_code != 0) == fails, done.output
        return done.output

    return run


def project_copy(folder: Path) -> Path:
    """The project as it is in the working tree, tiny recipe, committed to a git of its own."""
    shutil.copytree(ROOT, folder, ignore=_left_out)
    params = read_yaml(folder / "params.yaml")
    update_params(params, TINY)
    YAML().dump(params, folder / "params.yaml")
    run = command_in(folder)
    run("git", "init", "--quiet")
    run("git", "add", "--all")
    run("git", "commit", "--quiet", "--message", "tiny")
    return folder


def run_whole(folder: Path) -> None:
    """Make a copy, run the whole pipeline in it, publish, and put the results into git."""
    project_copy(folder)
    run = command_in(folder)
    run("dvc", "repro")
    run("esrgan", "publish")
    run("git", "add", "--all")
    run("git", "commit", "--quiet", "--message", "results")


def moved(source: Path, target: Path) -> Path:
    """A copy of a project in which the pipeline has run, as if it had run in `target`.

    MLflow knows its artifacts, and trainings their repository, by absolute paths.
    """
    subprocess.run(["cp", "-a", source, target], check=True)  # links into DVC's cache stay links
    for note in target.glob(".esrgan/checkpoints/*/*/result.json"):
        note.write_text(note.read_text().replace(str(source), str(target)))
    database = target / ".esrgan" / "mlflow.db"
    with closing(sqlite3.connect(database)) as base:
        script = "\n".join(base.iterdump()).replace(str(source), str(target))
    database.unlink()
    with closing(sqlite3.connect(database)) as base:
        base.executescript(script)
    return target


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The copy that the whole pipeline has run in; not to be changed."""
    return build_once(tmp_path_factory, "trained", run_whole)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, trained: Path) -> Path:
    """A copy in which `dvc repro` and `esrgan publish` have run, and whose results are in git."""
    return moved(trained, tmp_path_factory.mktemp("e2e") / "project")


@pytest.fixture
def run(project: Path) -> Run:
    """Runs a command in the copy that the pipeline has run in."""
    return command_in(project)


@pytest.fixture
def esrgan(project: Path) -> Run:
    """Runs `esrgan` for that copy, in this process."""
    return esrgan_in(project)


@pytest.fixture(scope="session")
def trained_often(tmp_path_factory: pytest.TempPathFactory, trained: Path) -> Path:
    """A copy whose trainings save often, done once; not to be changed."""
    from tests.support.trainings import train_whole  # it uses what stands here

    return build_once(
        tmp_path_factory, "trained-often", lambda folder: train_whole(moved(trained, folder))
    )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, trained_often: Path) -> "Trainings":
    """A copy whose pairs are ready and whose trainings are done once."""
    from tests.support.trainings import Trainings  # it uses what stands here

    folder = tmp_path_factory.mktemp("trainings") / "project"
    return Trainings(moved(trained_often, folder))


@pytest.fixture
def trainings(prepared: "Trainings") -> "Iterator[Trainings]":
    """The same; whatever still trains after the test is killed."""
    yield prepared
    prepared.end_all()
