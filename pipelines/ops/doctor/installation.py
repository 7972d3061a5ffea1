"""The installed packages and their settings."""

import importlib.metadata
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from pipelines.ops.doctor import Finding
from pipelines.ops.doctor.project import read_dvc_settings

PYTHONS = ((3, 11), (3, 14))
"""The first supported version, and the first that is not."""
LOCK = Path("requirements.lock")
PROJECT = "esrgan[pipeline,export,ncnn,dev]"
INSTALL = "make install"
"""Installs `PROJECT` as `LOCK` pins it."""
TELEMETRY = {
    "MLflow": ("MLFLOW_DISABLE_TELEMETRY", "true"),
    "Prefect": ("PREFECT_SERVER_ANALYTICS_ENABLED", "false"),
    "Great Expectations": ("GX_ANALYTICS_ENABLED", "false"),
}


def check_python() -> Iterator[Finding]:
    """Check that this Python is supported."""
    version = sys.version.split()[0]
    if PYTHONS[0] <= sys.version_info[:2] < PYTHONS[1]:
        yield Finding("Python", version)
    else:
        remedy = "make PYTHON=python3.11 (or 3.12, 3.13)"
        yield Finding("Python", f"{version} is not supported", remedy)


def check_packages() -> Iterator[Finding]:
    """Check that all packages are installed, with versions that fit together and the lock."""
    found: dict[str, str] = {}
    requires: dict[str, list[str]] = {}
    for metadata in (each.metadata for each in importlib.metadata.distributions()):
        package = canonicalize_name(metadata["Name"])
        found[package] = metadata["Version"]
        requires[package] = metadata.get_all("Requires-Dist") or []
    required = find_required(PROJECT, requires)
    if missing := sorted(required.keys() - found.keys()):
        yield Finding("packages", f"not installed: {_first(missing)}", INSTALL)
    for name, versions in required.items():
        if name in found and not versions.contains(found[name], prereleases=True):
            message = f"{name} {found[name]} does not fit; other packages need {versions}"
            yield Finding("versions", message, f"pip install '{name}{versions}'")
    lines = LOCK.read_text(encoding="utf-8").splitlines() if LOCK.is_file() else []
    # 2.13.0+cpu is in ==2.13.0
    other = [
        f"{pin.name} {version} instead of {str(pin.specifier).removeprefix('==')}"
        for pin in (Requirement(line) for line in lines if line and not line.startswith("#"))
        if (version := found.get(canonicalize_name(pin.name))) and version not in pin.specifier
    ]
    if other:
        yield Finding("packages", f"not as in {LOCK}: {_first(other)}", INSTALL, "warning")
    elif not missing:
        yield Finding("packages", f"{len(found)}, as in {LOCK}")


def find_required(root: str, requires: Mapping[str, Iterable[str]]) -> dict[str, SpecifierSet]:
    """All packages that the requirement `root` needs here, itself included, with versions that fit.

    `requires` has the requirements in the metadata of each package, by canonical names.
    """
    versions: dict[str, SpecifierSet] = {}
    extras: dict[str, set[str]] = {}
    waiting = [Requirement(root)]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        versions[name] = versions.get(name, SpecifierSet()) & wanted.specifier
        new = {"", *wanted.extras} - extras.setdefault(name, set())
        extras[name] |= new
        waiting += [
            one
            for one in map(Requirement, requires.get(name, ()) if new else ())
            if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in new)
        ]
    return versions


def _first(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def check_telemetry() -> Iterator[Finding]:
    """Check that no tool reports its use to its makers."""
    remedies = {
        tool: f"set {name}={value}"
        for tool, (name, value) in TELEMETRY.items()
        if os.environ.get(name, value).lower() != value
    }
    if (settings := read_dvc_settings()) and settings["core"].get("analytics") != "false":
        remedies["DVC"] = "dvc config core.analytics false"
    message = f"on: {', '.join(remedies)}" if remedies else "off"
    yield Finding("telemetry", message, "; ".join(remedies.values()), "warning")
