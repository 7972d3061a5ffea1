"""Make every picture's LR as MATLAB does and pack both into the pair store."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from joblib import Parallel, delayed

from esrgan_core.data.pairs import StoreFacts, add_picture, write_index
from pipelines.images import read_manifest, rows_of
from pipelines.launch import launch
from pipelines.paths import IMAGES, MANIFEST, PAIRS
from pipelines.progress import progress


@dataclass(frozen=True, kw_only=True, slots=True)
class BicubicConfig:
    """Section `bicubic`."""

    workers: int = -1
    """Processes that share the pictures; -1 for one per core. The result does not depend on it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """What this stage reads of params.yaml."""

    scale: int
    bicubic: BicubicConfig


def run(params: Params) -> None:
    """Leave the pair store in `artifacts/pairs/`."""
    manifest = read_manifest(MANIFEST)
    jobs = (
        delayed(add_picture)(
            PAIRS,
            IMAGES / row.path,
            name=str(PurePosixPath(row.path).with_suffix("")),
            split=row.split,
            set_name=row.set,
            scale=params.scale,
        )
        for row in rows_of(manifest)
    )
    finished = Parallel(n_jobs=params.bicubic.workers, return_as="generator")(jobs)
    entries = []
    with progress("bicubic", len(manifest)) as advance:
        for entry in finished:
            entries.append(entry)
            advance(len(entries), entry.name)
    write_index(PAIRS, entries, StoreFacts(scale=params.scale))


if __name__ == "__main__":
    launch("bicubic", Params, run)
