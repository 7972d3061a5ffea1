"""What is installed."""

import importlib.metadata
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from pipelines.ops.doctor.dvc_settings import dvc_settings
from pipelines.ops.doctor.finding import Finding, fault, remark, well

PYTHONS = ((3, 11), (3, 14))
LOCK = Path("requirements.lock")
PROJECT = "esrgan[pipeline,export,dev]"
"""What `make install` installs."""
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


def python() -> Iterator[Finding]:
    """Whether this Python is supported."""
    version = sys.version.split()[0]
    least, beyond = PYTHONS
    if not least <= sys.version_info[:2] < beyond:
        yield fault(
            "Python", f"{version} is not supported", "make PYTHON=python3.11 (3.12 and 3.13 do)"
        )
    else:
        yield well("Python", version)


def packages() -> Iterator[Finding]:
    """Whether the packages are the locked ones, and none is known not to work."""
    found: dict[str, str] = {}
    requires: dict[str, list[str]] = {}
    for metadata in (each.metadata for each in importlib.metadata.distributions()):
        package = canonicalize_name(metadata["Name"])
        found[package] = metadata["Version"]
        requires[package] = metadata.get_all("Requires-Dist") or []
    missing = sorted(required(PROJECT, requires) - found.keys())
    # 2.13.0+cpu is in ==2.13.0
    other = [
        f"{pin.name} {version} instead of {str(pin.specifier).removeprefix('==')}"
        for pin in _pins()
        if (version := found.get(canonicalize_name(pin.name))) and version not in pin.specifier
    ]
    install = "make install"
    if missing:
        yield fault("packages", f"not installed: {_some(missing)}", install)
    if other:
        yield remark("packages", f"other than {LOCK} has it: {_some(other)}", install)
    for name, (range_, why) in FIGHTING.items():
        version = found.get(name, "")
        if (
            version
            and Version(version.partition("+")[0]) not in Requirement(name + range_).specifier
        ):
            yield fault("versions", f"{name} {version}: {why}", f"pip install '{name}{range_}'")
    boto = {name: found.get(name, "") for name in ("boto3", "botocore")}
    if len(set(boto.values())) > 1:
        told = ", ".join(f"{name} {version or 'missing'}" for name, version in boto.items())
        yield fault("versions", f"{told} belong together", install)
    if not (missing or other):
        yield well("packages", f"{len(found)}, as {LOCK} has them")


def required(root: str, requires: Mapping[str, Iterable[str]]) -> set[str]:
    """Canonical names of all packages that `root` needs on this Python and platform.

    Args:
        root: a requirement, such as `esrgan[pipeline]`; it is in the result.
        requires: what each package requires according to its metadata, by canonical names.
    """
    extras: dict[str, set[str]] = {}
    waiting = [Requirement(root)]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        new = {"", *wanted.extras} - extras.setdefault(name, set())
        extras[name] |= new
        waiting += [
            one
            for one in map(Requirement, requires.get(name, ()) if new else ())
            if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in new)
        ]
    return set(extras)


def _pins() -> Iterator[Requirement]:
    """The lines of the lock, without its comments."""
    for line in LOCK.read_text(encoding="utf-8").splitlines() if LOCK.is_file() else []:
        if line and not line.startswith("#"):
            yield Requirement(line)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def telemetry() -> Iterator[Finding]:
    """Whether no tool tells its makers what it is used for."""
    on = [
        f"{tool} ({name}={value})"
        for tool, (name, value) in TELEMETRY.items()
        if os.environ.get(name, value).lower() != value
    ]
    if (settings := dvc_settings()) and settings["core"].get("analytics") != "false":
        on.append("DVC (dvc config core.analytics false)")
    if on:
        yield remark("telemetry", f"on: {', '.join(on)}", "set what stands in brackets")
    else:
        yield well("telemetry", "off")
