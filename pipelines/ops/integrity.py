"""Comparison of files with the checksums in their manifests, which finds silent damage.

Every area has manifests that were written with its files. `dvc.lock` has the outputs of all stages,
hence also most of the other manifests.
"""

import hashlib
import json
import random
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from esrgan_core.data.pairs import PairEntry, PairStore
from esrgan_core.engine.checkpoint import manifest_text
from pipelines.config.artifacts import IMAGES, MANIFEST, PAIRS
from pipelines.config.params import read_yaml
from pipelines.data.manifest import read_manifest
from pipelines.data.pair_cache import read_entry
from pipelines.runtime.progress import byte_progress
from pipelines.runtime.state import state_root
from pipelines.tracking.model_files import registered_files

LOCK = Path("dvc.lock")
CHANGED = "has changed since it was written"
UNFINISHED = "has no manifest: it was not written completely, or the manifest was deleted"


class CheckedFile(NamedTuple):
    """A file and its checksum in a manifest."""

    area: str
    path: Path
    digest: str
    """Hexadecimal: MD5 if it has 32 digits, else SHA-256."""
    manifest: Path | None = None
    """A manifest of only this file, which is deleted with it."""


class Damage(NamedTuple):
    """A file that is not as it was written."""

    area: str
    path: Path
    problem: str

    def __str__(self) -> str:
        return f"{self.area}: {self.path} {self.problem}; {AREAS[self.area][1]}"


AREAS = {
    "outputs": (LOCK, "`dvc checkout` restores it from the cache, `dvc repro` creates it again"),
    "images": (MANIFEST, "`dvc repro download` downloads it again"),
    "pairs": (PAIRS / "index.parquet", "`dvc repro bicubic` creates it again"),
    "checkpoints": (Path("checkpoints"), "the training resumes from the state before it"),
    "registered": (Path("the MLflow store"), "`dvc repro register` registers it again"),
    "sources": (Path("sources"), "it is downloaded again when it is needed"),
    "prepared": (Path("prepared"), "it is created again when it is needed"),
}
"""The manifest of each area, and what repairs its files."""


def list_files() -> Iterator[CheckedFile | Damage]:
    """Every file that a manifest names, and damage of the manifests themselves."""
    for area in (_outputs, _images, _pairs, _checkpoints, _registered, _sources, _prepared):
        name = area.__name__.lstrip("_")
        try:
            yield from area()
        except Exception as error:
            # a damaged manifest can raise anything
            problem = f"cannot be read ({type(error).__name__}: {error})"
            yield Damage(name, AREAS[name][0], problem)


def verify(percent: float = 100) -> tuple[int, list[Damage]]:
    """Hash a random share of the files; the number of files and the damage found."""
    listed = list(list_files())
    damage = [one for one in listed if isinstance(one, Damage)]
    files = [one for one in listed if isinstance(one, CheckedFile)]
    if percent < 100 and files:
        files = random.sample(files, max(round(len(files) * percent / 100), 1))
    sizes = [file.path.stat().st_size if file.path.is_file() else 0 for file in files]
    with byte_progress("verify", sum(sizes)) as on_bytes, ThreadPoolExecutor(4) as pool:
        for file, size, problem in zip(files, sizes, pool.map(_find_problem, files), strict=True):
            on_bytes(size)
            if problem:
                damage.append(Damage(file.area, file.path, problem))
    return len(files), damage


def _find_problem(file: CheckedFile) -> str:
    if not file.path.is_file():
        # a running training deletes old states with their manifests
        return "is missing" if file.manifest is None or file.manifest.is_file() else ""
    try:
        with file.path.open("rb") as content:
            algorithm = "md5" if len(file.digest) == 32 else "sha256"
            digest = hashlib.file_digest(content, algorithm).hexdigest()
    except OSError as error:
        return f"cannot be read ({error})"
    return "" if digest == file.digest else CHANGED


def _outputs() -> Iterator[CheckedFile | Damage]:
    """The outputs of all stages that have any here, by `dvc.lock` and DVC's folder listings."""
    if not LOCK.is_file():
        return
    from dvc.repo import Repo  # noqa: PLC0415  takes a second to import

    cache = Path(Repo(".").cache.local.path)
    for stage in read_yaml(LOCK).get("stages", {}).values():
        outs: Sequence[dict[str, str]] = stage.get("outs", [])
        if not any(Path(out["path"]).exists() for out in outs):
            continue
        for out in outs:
            path, md5 = Path(out["path"]), str(out["md5"])
            if not md5.endswith(".dir"):
                yield CheckedFile("outputs", path, md5)
                continue
            listing = cache / md5[:2] / md5[2:]
            content = listing.read_bytes() if listing.is_file() else b""
            if hashlib.md5(content).hexdigest() == md5.removesuffix(".dir"):
                for entry in json.loads(content):
                    yield CheckedFile("outputs", path / entry["relpath"], entry["md5"])
            else:
                yield Damage("outputs", listing, "is not DVC's list of files")


def _images() -> Iterator[CheckedFile]:
    if IMAGES.is_dir():
        for row in read_manifest(MANIFEST):
            yield CheckedFile("images", IMAGES / row.path, row.sha256)


def _pairs() -> Iterator[CheckedFile]:
    if PAIRS.is_dir():
        for entry in PairStore(PAIRS).entries:
            yield from _pair("pairs", PAIRS, entry.name, entry)


def _pair(
    area: str, folder: Path, name: str, entry: PairEntry, manifest: Path | None = None
) -> Iterator[CheckedFile]:
    for kind, digest in (("hr", entry.hr_sha256), ("lr", entry.lr_sha256)):
        yield CheckedFile(area, folder / kind / f"{name}.npy", digest, manifest)


def _checkpoints() -> Iterator[CheckedFile | Damage]:
    folder = state_root() / "checkpoints"
    for state in sorted(folder.glob("*/*/step_*.pt")):
        if not state.with_suffix(".json").is_file() and state.is_file():
            yield Damage("checkpoints", state, UNFINISHED)
    for manifest in sorted(folder.glob("*/*/step_*.json")):
        content = manifest.read_bytes()
        found = re.search(rb'"sha256": "(\w*)"', content)
        step, sha256 = int(manifest.stem.partition("_")[2]), found[1].decode() if found else ""
        if content == manifest_text(step, sha256).encode():
            yield CheckedFile("checkpoints", manifest.with_suffix(".pt"), sha256, manifest)
        else:
            yield Damage("checkpoints", manifest, CHANGED)


def _registered() -> Iterator[CheckedFile | Damage]:
    for folder, checksums in registered_files():
        if checksums is None:
            yield Damage("registered", folder, "has no valid checksums")
        for name, digest in (checksums or {}).items():
            yield CheckedFile("registered", folder / name, digest)


def _sources() -> Iterator[CheckedFile]:
    for path in sorted((state_root() / "sources" / "sha256").glob("*/[!.]*")):
        yield CheckedFile("sources", path, path.name)


def _prepared() -> Iterator[CheckedFile | Damage]:
    folder = state_root() / "prepared"
    for array in sorted((folder / "hr").glob("[!.]*.npy")):
        if not (folder / "pairs" / f"{array.stem}.json").is_file():
            yield Damage("prepared", array, UNFINISHED)
    for note in sorted((folder / "pairs").glob("[!.]*.json")):
        if (entry := read_entry(note)) is None:
            yield Damage("prepared", note, CHANGED)
        else:
            yield from _pair("prepared", folder, note.stem, entry, note)
