"""What may be wrong with an installation, each with what to do about it.

Nothing is changed, nothing secret is said, and no host is waited for longer than two seconds.
"""

import importlib.metadata
import os
import shutil
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Literal
from urllib.parse import urlsplit

import psutil
from packaging.requirements import Requirement
from packaging.version import Version
from rich.filesize import decimal

from esrgan_core.inference.upscaler import computes_in_bf16, device_of
from esrgan_core.memory import free_memory
from pipelines.params import PARAMS, ParamsError, check, read_yaml
from pipelines.paths import state_root
from pipelines.shell import CommandError, output
from pipelines.tracking.store import DATABASE, tracking_uri

State = Literal["well", "remark", "fault"]
SECONDS = 2.0
"""That a host is waited for."""
PYTHONS = ((3, 11), (3, 14))
LOCK = Path("requirements.lock")
LEAST_MEMORY = 2 * 2**30
LEAST_DISK = 5 * 2**30
FIGHTING = {
    "fastapi": ("<0.151", "later ones break Prefect's server"),
    "torch": (">=2.10", "earlier ones lack what the training uses"),
    "numpy": (">=2", "earlier ones lack what the data sampling uses"),
}
"""Versions that are known not to work, where they differ from what pip sees itself."""
TELEMETRY = {
    "MLflow": ("MLFLOW_DISABLE_TELEMETRY", "true"),
    "Prefect": ("PREFECT_SERVER_ANALYTICS_ENABLED", "false"),
    "Great Expectations": ("GX_ANALYTICS_ENABLED", "false"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    state: State
    words: str
    remedy: str = ""


def examine() -> Iterator[Finding]:
    """Look at everything, in the order in which one would mend it."""
    for look in CHECKS:
        try:
            yield from look()
        except Exception as error:
            # a check that fails must not hide the others
            yield Finding(
                what=look.__name__.strip("_"),
                state="fault",
                words=f"{type(error).__name__}: {error}",
                remedy="tell the maintainers; the other checks are not concerned",
            )


def _python() -> Iterator[Finding]:
    version = sys.version.split()[0]
    least, beyond = PYTHONS
    if not least <= sys.version_info[:2] < beyond:
        yield _fault(
            "Python", f"{version} is not supported", "make PYTHON=python3.11 (3.12 and 3.13 do)"
        )
    else:
        yield _well("Python", version)


def _packages() -> Iterator[Finding]:
    found: dict[str, str] = {
        each.metadata["Name"].lower(): each.version for each in importlib.metadata.distributions()
    }
    missing, other = [], []
    for line in LOCK.read_text(encoding="utf-8").splitlines() if LOCK.is_file() else []:
        name, pinned, version = line.partition("==")
        if not pinned:
            continue
        # a build of torch for a GPU has a suffix
        installed = found.get(name.strip().lower(), "").partition("+")[0]
        if not installed:
            missing.append(name)
        elif installed != version.strip().partition("+")[0]:
            other.append(f"{name} {installed} instead of {version.strip()}")
    install = "make install"
    if missing:
        yield _fault("packages", f"not installed: {_some(missing)}", install)
    if other:
        yield _remark("packages", f"other than {LOCK} has it: {_some(other)}", install)
    for name, (range_, why) in FIGHTING.items():
        version = found.get(name, "")
        if (
            version
            and Version(version.partition("+")[0]) not in Requirement(name + range_).specifier
        ):
            yield _fault("versions", f"{name} {version}: {why}", f"pip install '{name}{range_}'")
    boto = {name: found.get(name, "") for name in ("boto3", "botocore")}
    if len(set(boto.values())) > 1:
        told = ", ".join(f"{name} {version or 'missing'}" for name, version in boto.items())
        yield _fault("versions", f"{told} belong together", install)
    if not (missing or other):
        yield _well("packages", f"{len(found)}, as {LOCK} has them")


def _devices() -> Iterator[Finding]:
    import torch  # noqa: PLC0415  takes a second

    wanted = os.environ.get("ESRGAN_DEVICE", "auto")
    try:
        device = device_of(wanted)
    except ValueError as error:
        yield _fault("device", f"ESRGAN_DEVICE: {error}", "unset ESRGAN_DEVICE, or set it to cpu")
        return
    driver = shutil.which("nvidia-smi")
    if driver and not torch.cuda.is_available():
        yield _remark(
            "device",
            f"there is a driver of NVIDIA's, but torch {torch.__version__} cannot use it",
            "install a CUDA build of torch of the version in requirements.lock",
        )
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    bf16 = "bf16 is fast" if computes_in_bf16(device) else "bf16 is not faster than fp32"
    yield _well("device", f"{device}: {name}, {bf16}")
    cores = os.cpu_count() or 1
    threads = int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads()))
    if threads > cores or ("OMP_NUM_THREADS" in os.environ and threads < cores):
        yield _remark(
            "threads", f"{threads} for {cores} cores", "unset OMP_NUM_THREADS and MKL_NUM_THREADS"
        )
    else:
        yield _well("threads", f"{threads} for {cores} cores")


def _memory() -> Iterator[Finding]:
    free, total = free_memory(), psutil.virtual_memory().total
    words = f"{decimal(free)} free of {decimal(total)}"
    if free < LEAST_MEMORY:
        yield _fault("memory", words, f"end other programs; {decimal(LEAST_MEMORY)} are little")
    else:
        yield _well("memory", words)


def _disks() -> Iterator[Finding]:
    root = state_root()
    try:
        with NamedTemporaryFile(dir=root):
            pass
    except OSError as error:
        yield _fault(
            "state root",
            f"{root} cannot be written: {error}",
            "mend its rights, or set ESRGAN_STATE",
        )
    else:
        yield _well("state root", str(root))
    for what, folder in {"disk of the state root": root, "disk of the project": Path.cwd()}.items():
        free = shutil.disk_usage(folder).free
        words = f"{decimal(free)} free below {folder}"
        if free < LEAST_DISK:
            yield _fault(
                what, words, "esrgan prune --caches, dvc gc, or ESRGAN_STATE on another disk"
            )
        else:
            yield _well(what, words)


def _recipe() -> Iterator[Finding]:
    if not PARAMS.is_file():
        yield _remark("params.yaml", "not here", "run this in the root of the repository")
        return
    try:
        check(read_yaml(PARAMS))
    except ParamsError as error:
        yield _fault(
            "params.yaml", str(error), "correct it; `git diff params.yaml` shows what changed"
        )
    else:
        yield _well("params.yaml", "valid for every stage")


def _repository() -> Iterator[Finding]:
    if not shutil.which("git"):
        yield _fault("git", "not installed", "install git; DVC and the lineage need it")
        return
    try:
        output(["git", "rev-parse", "--git-dir"], Path.cwd())
    except CommandError:
        yield _fault("git", "this is no repository", "git clone the project, do not copy it")
        return
    if not output(["git", "config", "user.email"], Path.cwd(), fails=True):
        yield _remark(
            "git", "knows no identity, without which runs cannot be saved",
            "git config user.email you@example.org",
        )  # fmt: skip
    else:
        yield _well("git", "a repository, with an identity")


def _dvc() -> Iterator[Finding]:
    if not Path(".dvc").is_dir():
        yield _remark("DVC", "not set up here", "run this in the root of the repository")
        return
    config = dict(
        line.split("=", 1) for line in output(["dvc", "config", "--list"], Path.cwd()).splitlines()
    )
    remote = config.get("core.remote", "")
    if not remote:
        yield _well("DVC remote", "none; results stay on this machine")
    elif config.get(f"remote.{remote}.verify") != "true":
        yield _remark(
            "DVC remote", f"{remote} is trusted unseen: verify is off",
            f"dvc remote modify {remote} verify true",
        )  # fmt: skip
    else:
        yield _well("DVC remote", f"{remote}, whose files are verified")
    url = config.get(f"remote.{remote}.url", "")
    if remote and not urlsplit(url).scheme and not Path(url).expanduser().is_dir():
        yield _fault("DVC remote", f"{url} is not there", f"dvc remote modify {remote} url FOLDER")


def _mlflow() -> Iterator[Finding]:
    uri = tracking_uri()
    parts = urlsplit(uri)
    shown = _public(uri)
    if parts.scheme in ("http", "https"):
        problem = _unreachable(uri)
        if problem:
            yield _fault(
                "MLflow", f"{shown}: {problem}",
                "start the server or correct MLFLOW_TRACKING_URI; trainings go on without, and "
                "`esrgan publish` catches up",
            )  # fmt: skip
        else:
            yield _well("MLflow", f"{shown} answers")
        return
    path = Path(uri.removeprefix("sqlite:///"))
    if parts.scheme != "sqlite" or not path.is_file():
        yield _well("MLflow", f"{shown}, made when it is first used")
        return
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=SECONDS)) as base:
            base.execute("select count(*) from alembic_version").fetchone()
    except sqlite3.Error as error:
        yield _fault(
            "MLflow", f"{shown} cannot be read: {error}",
            f"move {DATABASE} away; `esrgan publish` builds it again from DVC's results",
        )  # fmt: skip
    else:
        yield _well("MLflow", f"{shown} can be read")


def _s3() -> Iterator[Finding]:
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    if not endpoint and not _uses_s3():
        yield _well("S3", "not used")
        return
    import boto3  # noqa: PLC0415  takes a second

    try:
        credentials = boto3.session.Session().get_credentials()
    except Exception as error:
        yield _fault("S3", f"{error}", "correct AWS_PROFILE or ~/.aws")
        return
    if credentials is None:
        yield _fault(
            "S3",
            "no credentials",
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
        )
    where = endpoint or "https://s3.amazonaws.com"
    if problem := _unreachable(where):
        yield _fault(
            "S3", f"{_public(where)}: {problem}",
            "start it or correct AWS_ENDPOINT_URL; then `esrgan probe s3://bucket/prefix`",
        )  # fmt: skip
    elif credentials is not None:
        yield _well("S3", f"{_public(where)} answers, and there are credentials")


def _uses_s3() -> bool:
    if not Path(".dvc").is_dir():
        return False
    return "s3://" in output(["dvc", "config", "--list"], Path.cwd(), fails=True)


def _telemetry() -> Iterator[Finding]:
    on = [
        f"{tool} ({name}={value})"
        for tool, (name, value) in TELEMETRY.items()
        if os.environ.get(name, value).lower() != value
    ]
    if Path(".dvc").is_dir():
        kept = output(["dvc", "config", "core.analytics"], Path.cwd(), fails=True)
        if kept.strip() != "false":
            on.append("DVC (dvc config core.analytics false)")
    if on:
        yield _remark("telemetry", f"on: {', '.join(on)}", "set what stands in brackets")
    else:
        yield _well("telemetry", "off")


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    _python, _packages, _devices, _memory, _disks, _recipe, _repository, _dvc, _mlflow, _s3,
    _telemetry,
)  # fmt: skip


def _well(what: str, words: str) -> Finding:
    return Finding(what=what, state="well", words=words)


def _remark(what: str, words: str, remedy: str) -> Finding:
    return Finding(what=what, state="remark", words=words, remedy=remedy)


def _fault(what: str, words: str, remedy: str) -> Finding:
    return Finding(what=what, state="fault", words=words, remedy=remedy)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def _public(uri: str) -> str:
    """An address without the name and password that may stand in it."""
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _unreachable(url: str) -> str:
    """Why nothing answers at an address within two seconds; empty if something does."""
    import requests  # noqa: PLC0415

    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=SECONDS):
            pass
        requests.get(url, timeout=SECONDS, allow_redirects=False)
    except (requests.Timeout, TimeoutError):
        return f"no answer within {SECONDS:g} s"
    except (requests.RequestException, OSError) as error:
        return f"cannot be reached ({type(error).__name__})"
    return ""
