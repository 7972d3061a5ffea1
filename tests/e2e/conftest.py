"""A copy of the project with a tiny recipe, and the real pipeline run in it once."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ruamel.yaml import YAML

from pipelines.params import merge, read_yaml

if TYPE_CHECKING:
    from tests.e2e.trainings import Trainings

ROOT = Path(__file__).parents[2]
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
        "generator_optimizer": {"held": 1},
    },
    "contextual": {"discriminator": {"num_features": 4}, "steps": 2, "validate_every": 2},
    "ablation": {
        "seeds": [0, 1], "pretrain_steps": 80, "finetune_steps": 2, "num_features": 8,
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


def project_copy(folder: Path) -> Path:
    """The project as it is in the working tree, tiny recipe, committed to a git of its own."""
    shutil.copytree(ROOT, folder, ignore=_left_out)
    params = read_yaml(folder / "params.yaml")
    merge(params, TINY)
    YAML().dump(params, folder / "params.yaml")
    run = command_in(folder)
    run("git", "init", "--quiet")
    run("git", "add", "--all")
    run("git", "commit", "--quiet", "--message", "tiny")
    return folder


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which `dvc repro` and `esrgan publish` have run, and whose results are in git."""
    folder = project_copy(tmp_path_factory.mktemp("e2e") / "project")
    run = command_in(folder)
    run("dvc", "repro")
    run("esrgan", "publish")
    run("git", "add", "--all")
    run("git", "commit", "--quiet", "--message", "results")
    return folder


@pytest.fixture
def run(project: Path) -> Run:
    """Runs a command in the copy that the pipeline has run in."""
    return command_in(project)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> "Trainings":
    """A copy whose pairs are ready and whose trainings are done once."""
    from tests.e2e.trainings import Trainings  # it uses what stands here

    return Trainings.prepare(tmp_path_factory.mktemp("trainings") / "project")


@pytest.fixture
def trainings(prepared: "Trainings") -> "Iterator[Trainings]":
    """The same; whatever still trains after the test is killed."""
    yield prepared
    prepared.end_all()
