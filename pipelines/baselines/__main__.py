"""`python -m pipelines.baselines`: run the second pipeline; further words are `dvc repro`'s.

DVC ignores it otherwise: it would ask for its outputs wherever it saves, applies or pulls, whether
or not they were ever made.
"""

import subprocess
import sys
from pathlib import Path

from esrgan_core.files import write_text

PIPELINE = Path("pipelines/baselines/dvc.yaml")
IGNORED = PIPELINE.with_name(".dvcignore")
TEXT = (
    "# DVC saves, applies and pulls all pipelines that it sees as one; "
    "`make baselines` shows it this one\ndvc.yaml\n"
)


def main() -> int:
    """Run it while DVC sees it; the exit code is DVC's."""
    IGNORED.unlink(missing_ok=True)
    try:
        return subprocess.run(
            ["dvc", "repro", str(PIPELINE), *sys.argv[1:]], check=False
        ).returncode
    finally:
        write_text(IGNORED, TEXT)


if __name__ == "__main__":
    sys.exit(main())
