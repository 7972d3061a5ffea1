"""The first use of MLflow by two threads."""

import subprocess
import sys
from pathlib import Path

from tests.e2e.conftest import environment
from tests.support import ROOT

PROGRAM = """
from threading import Thread
from pipelines.config.errors import UserError
from pipelines.tracking.client import experiment_id
from pipelines.tracking.model_files import load_generators

opener = Thread(target=experiment_id)
opener.start()
try:
    load_generators("models:/absent/1")
except UserError as error:
    print(error)
opener.join()
"""


def test_two_threads_may_be_the_first_to_use_mlflow(tmp_path: Path) -> None:
    """A training that starts from a registered network loads it while its run is opened."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment(ROOT) | {"ESRGAN_STATE": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "there is no absent version 1" in done.stdout, done.stderr
    assert "Traceback" not in done.stderr
