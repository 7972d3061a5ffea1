"""`python -m pipelines.baselines [NAME ...]`: run the second pipeline, or the named stages of it.

Options are those of `dvc repro`. DVC ignores the pipeline otherwise: it would ask for its outputs
wherever it saves, applies or pulls, whether or not they were ever made.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from esrgan_core.files import write_text

PIPELINE = Path("pipelines/baselines/dvc.yaml")
IGNORED = PIPELINE.with_name(".dvcignore")
TEXT = (
    "# DVC saves, applies and pulls all pipelines that it sees as one; "
    "`make baselines` shows it this one\ndvc.yaml\n"
)


def main(words: Sequence[str]) -> int:
    """Run `dvc repro` while DVC sees the pipeline; the exit code is DVC's."""
    names = [word for word in words if not word.startswith("-")]
    options = [word for word in words if word.startswith("-")]
    IGNORED.unlink(missing_ok=True)
    try:
        targets = [*_addresses(names)] if names else [str(PIPELINE)]
        return subprocess.run(["dvc", "repro", *targets, *options], check=False).returncode
    finally:
        write_text(IGNORED, TEXT)


def _addresses(names: Sequence[str]) -> Iterator[str]:
    """What DVC calls the stages, whose groups stand before their names: `pixels@srcnn`."""
    from dvc.repo import Repo  # noqa: PLC0415  takes a second

    with Repo() as repo:
        stages = [one for one in repo.index.stages if one.path_in_repo == str(PIPELINE)]
        known = {stage.name.rpartition("@")[2]: stage.addressing for stage in stages}
    if unknown := sorted(set(names) - known.keys()):
        sys.exit(f"there is no stage {unknown[0]} in {PIPELINE}; there are {', '.join(known)}")
    yield from (known[name] for name in names)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
