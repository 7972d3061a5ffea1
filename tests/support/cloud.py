"""A copy of the project with data, the DVC remote and MLflow's artifacts on a real S3 server."""

import hashlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import psutil

from tests.conftest import textured
from tests.e2e.conftest import command_in, environment, project_copy
from tests.support.images import encode_png
from tests.support.s3 import S3, serving_s3

NAMES = ("train/a", "train/b", "train/c", "val/d", "test/own/e")


@dataclass
class Cloud:
    """The copy and the server."""

    folder: Path
    server: S3
    output: str = ""
    """Of the run of the flow."""

    @property
    def env(self) -> dict[str, str]:
        """Environment variables that select the server."""
        return {**self.server.env, "MLFLOW_DEFAULT_ARTIFACT_ROOT": "s3://mlflow/artifacts"}

    def run(self, *command: str, fails: bool = False, **extra: str) -> str:
        """Run a command in the copy; its output."""
        return command_in(self.folder)(*command, fails=fails, **{**self.env, **extra})

    def wrong_objects(self) -> list[str]:
        """Keys of objects of the DVC remote whose content does not have the hash in their name."""
        wrong = []
        for key in self.server.keys("dvc"):
            body = self.server.client.get_object(Bucket="dvc", Key=key)["Body"].read()
            if hashlib.md5(body).hexdigest() != "".join(key.split("/")[-2:]).removesuffix(".dir"):
                wrong.append(key)
        return wrong


@contextmanager
def project_on_s3(folder: Path) -> Iterator[Cloud]:
    """A copy whose data is imported from S3 and whose remote is on S3, both committed."""
    with serving_s3(folder / "s3") as server:
        for bucket in ("images", "dvc", "mlflow"):
            server.client.create_bucket(Bucket=bucket)
        for number, name in enumerate(NAMES):
            content = encode_png(textured(256, 260, number))
            server.client.put_object(Bucket="images", Key=f"mine/{name}.png", Body=content)
        cloud = Cloud(project_copy(folder / "project"), server)
        cloud.run("dvc", "remove", "data.dvc")
        cloud.run("dvc", "import-url", "s3://images/mine", "data")
        cloud.run("dvc", "remote", "add", "--default", "storage", "s3://dvc/store")
        cloud.run("dvc", "remote", "modify", "storage", "verify", "true")
        cloud.run("git", "add", "--all")
        cloud.run("git", "commit", "--quiet", "--message", "on S3")
        yield cloud


def kill_uploads(cloud: Cloud, count: int, random: Random) -> list[str]:
    """Kill uploads of a large file at random moments; the incomplete objects that were visible."""
    problems, killed = [], 0
    for number in range(count):
        large = cloud.folder / "large.bin"
        large.unlink(missing_ok=True)
        large.write_bytes(random.randbytes(100_000_000))
        cloud.run("dvc", "add", "large.bin")
        upload = subprocess.Popen(
            [sys.executable, "-m", "dvc", "push", "large.bin.dvc"],
            cwd=cloud.folder,
            env=environment(cloud.folder) | cloud.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        # its progress is what it has read, of which some 30 MB are its own code
        limit = random.uniform(30e6, 130e6)
        with suppress(psutil.Error):
            process = psutil.Process(upload.pid)
            while upload.poll() is None and process.io_counters().read_chars < limit:
                time.sleep(0.002)
        upload.kill()
        killed += upload.wait() == -signal.SIGKILL
        problems += [f"kill {number}: {key} is incomplete" for key in cloud.wrong_objects()]
    cloud.run("dvc", "push", "large.bin.dvc")
    print(f"  {killed} of {count} uploads were killed, the others had finished", flush=True)
    if not killed:
        problems.append("every upload finished before it was killed")
    return problems + [f"at the end {key} is incomplete" for key in cloud.wrong_objects()]
