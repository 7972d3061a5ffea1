"""`python -m pipelines.baselines [NAME ...]`: run all baselines or the named stages.

Options are those of `dvc repro`. Otherwise a `.dvcignore` hides this pipeline from DVC, which would
save, apply and pull its outputs with those of the first pipeline.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from esrgan_core.files import write_text

PIPELINE = Path("pipelines/baselines/dvc.yaml")
DVCIGNORE = PIPELINE.with_name(".dvcignore")
TEXT = (
    "# DVC saves, applies and pulls all pipelines that it sees as one; "
    "`make baselines` shows it this one\ndvc.yaml\n"
)


def main(arguments: Sequence[str]) -> int:
    """Run `dvc repro` with the pipeline visible; return its exit code."""
    names = [argument for argument in arguments if not argument.startswith("-")]
    options = [argument for argument in arguments if argument.startswith("-")]
    DVCIGNORE.unlink(missing_ok=True)
    try:
        targets = [*_addresses(names)] if names else [str(PIPELINE)]
        return subprocess.run(["dvc", "repro", *targets, *options], check=False).returncode
    finally:
        write_text(DVCIGNORE, TEXT)


def _addresses(names: Sequence[str]) -> Iterator[str]:
    """DVC's addresses of stages, with the group before the name: `pixels@srcnn`."""
    from dvc.repo import Repo  # noqa: PLC0415  dvc is slow to import

    with Repo() as repo:
        stages = [one for one in repo.index.stages if one.path_in_repo == str(PIPELINE)]
        known = {stage.name.rpartition("@")[2]: stage.addressing for stage in stages}
    if unknown := sorted(set(names) - known.keys()):
        sys.exit(f"{PIPELINE} has no stage {unknown[0]}; use one of {', '.join(known)}")
    yield from (known[name] for name in names)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
