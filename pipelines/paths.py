"""Where the stages' files lie, and the state root."""

import os
from contextlib import AbstractContextManager, chdir
from pathlib import Path

REPOSITORY = "ESRGAN_REPOSITORY"
"""Environment variable with the path or address of the repository that runs are clones of."""
DATA = Path("data")
ARTIFACTS = Path("artifacts")
IMAGES = ARTIFACTS / "images"
MANIFEST = IMAGES / "manifest.csv"
TRACES = ARTIFACTS / "download" / "traces.parquet"
SKIPPED = ARTIFACTS / "download" / "skipped.csv"
VALIDATION_REPORT = ARTIFACTS / "validate" / "report.json"
PAIRS = ARTIFACTS / "pairs"


def generator_of(stage: str) -> Path:
    """The generator that a training stage leaves."""
    return ARTIFACTS / stage / "generator.safetensors"


PRETRAINED = generator_of("pretrain")
FINETUNED = generator_of("finetune")
GRID = ARTIFACTS / "interpolate" / "grid.csv"
IMAGE_GRID = ARTIFACTS / "interpolate" / "image_grid.csv"
GRID_PER_IMAGE = ARTIFACTS / "interpolate" / "per_image.csv"
GRID_RESULTS = ARTIFACTS / "interpolate" / "results"
CHOICE = ARTIFACTS / "interpolate" / "choice.json"
CLUSTERS = ARTIFACTS / "sftnet" / "clusters.json"
METRICS = ARTIFACTS / "evaluate" / "metrics.json"
PAGE = ARTIFACTS / "evaluate" / "report" / "index.html"


def state_root() -> Path:
    """The absolute folder of checkpoints, locks and the default MLflow store; made if missing."""
    root = state_place()
    root.mkdir(parents=True, exist_ok=True)
    return root


def ablation_network(fingerprint: str) -> Path:
    """The network that a training of the ablation ended in, kept to be measured again."""
    return state_root() / "ablation" / f"{fingerprint}.safetensors"


def state_place() -> Path:
    """Where the state root is or would be, to look there.

    `ESRGAN_STATE`, which may be relative to the repository, else `.esrgan` in it. That is the one
    that `dvc` was started in, since an experiment may run in a temporary copy of it, else the one
    that the current folder is in.
    """
    root = Path(os.environ.get("DVC_ROOT") or _repository() or Path.cwd())
    return (root / (os.environ.get("ESRGAN_STATE") or ".esrgan")).absolute()


def insist_on_state() -> None:
    """Refuse to make a state root in a folder that is in no repository.

    Raises:
        FileNotFoundError: if the current folder is in none, and `ESRGAN_STATE` names no state root.
    """
    if not os.environ.get("ESRGAN_STATE") and _repository() is None:
        raise FileNotFoundError(
            f"{Path.cwd()} is in no repository; run this in one, or set ESRGAN_STATE"
        )


def in_repository() -> AbstractContextManager[None]:
    """Work in the root of the repository that the current folder is in.

    Raises:
        FileNotFoundError: if it is in none.
    """
    if (root := _repository()) is None:
        raise FileNotFoundError(f"{Path.cwd()} is in no repository; run this in one")
    return chdir(root)


def _repository() -> Path | None:
    """The nearest folder upwards that DVC knows as a repository; None if there is none."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / ".dvc").is_dir()), None)
