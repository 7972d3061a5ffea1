"""Whether files are still what their manifests say: silent damage is found before it is used.

Every area has a manifest that was written with its files: the images' `manifest.csv`, the pair
store's index, the manifest of each training state, the checksums of each registered model, the
names of what is cached, and `dvc.lock`, which has the outputs of every stage and so holds the
other manifests to account.
"""

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from esrgan_core.data.pairs import PairStore
from esrgan_core.engine.checkpoint import manifest_text
from pipelines.config.artifacts import IMAGES, MANIFEST, PAIRS
from pipelines.config.params import read_yaml
from pipelines.data.manifest import read_manifest
from pipelines.data.pair_cache import read_entry
from pipelines.runtime.progress import byte_progress
from pipelines.runtime.state import state_root
from pipelines.tracking.model_files import registered_files

LOCK = Path("dvc.lock")
UNFINISHED = "has no manifest: it was cut off while it was written, or that is gone"
AT_ONCE = 4
PIECE = 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """A file, and what its manifest says of it."""

    area: str
    path: Path
    digest: str
    """In hex; of md5 where it has 32 digits, else of sha256."""
    manifest: Path | None = None
    """A file that goes with it, where one without the other means nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something that is not as it was written."""

    area: str
    path: Path
    problem: str

    def __str__(self) -> str:
        return f"{self.area}: {self.path} {self.problem}; {REMEDIES[self.area]}"


MANIFESTS = {
    "outputs": LOCK,
    "images": MANIFEST,
    "pairs": PAIRS / "index.parquet",
    "checkpoints": Path("checkpoints"),
    "registered": Path("the MLflow store"),
    "sources": Path("sources"),
    "prepared": Path("prepared"),
}
REMEDIES = {
    "outputs": "`dvc checkout` restores it from the cache, `dvc repro` makes it again",
    "images": "`dvc repro download` fetches it again",
    "pairs": "`dvc repro bicubic` makes it again",
    "checkpoints": "a training goes on from the state before",
    "registered": "`dvc repro register` registers it again",
    "sources": "it is fetched again when it is needed",
    "prepared": "it is prepared again when it is needed",
}


def items() -> Iterator[Item | Finding]:
    """Every file that a manifest speaks of, and what is wrong with the manifests themselves."""
    for area in (_outputs, _images, _pairs, _checkpoints, _registered, _sources, _prepared):
        name = area.__name__.lstrip("_")
        try:
            yield from area()
        except Exception as error:
            # damaged manifests fail in every way there is
            what = f"{type(error).__name__}: {error}"
            yield Finding(area=name, path=MANIFESTS[name], problem=f"cannot be read ({what})")


def verify(percent: float = 100, seed: int | None = None) -> tuple[int, list[Finding]]:
    """Hash the files again; how many there were, and what was found.

    Args:
        percent: share of the files that is looked at, chosen by chance.
        seed: of that chance; another one each time if left out.
    """
    found = [*items()]
    findings = [one for one in found if isinstance(one, Finding)]
    files = [one for one in found if isinstance(one, Item)]
    wanted = max(round(len(files) * percent / 100), 1) if files else 0
    chosen = random.Random(seed).sample(files, wanted) if percent < 100 else files
    total = sum(item.path.stat().st_size for item in chosen if item.path.is_file())
    with byte_progress("verify", total) as on_bytes, ThreadPoolExecutor(AT_ONCE) as pool:
        results = pool.map(lambda item: _problem(item, on_bytes), chosen)
        for item, problem in zip(chosen, results, strict=True):
            if problem:
                findings.append(Finding(area=item.area, path=item.path, problem=problem))
    return len(chosen), findings


def _problem(item: Item, on_bytes: Callable[[int], None]) -> str:
    if not item.path.is_file():
        # a training drops old states with their manifests while we look
        return "is gone" if item.manifest is None or item.manifest.is_file() else ""
    digest = hashlib.md5() if len(item.digest) == 32 else hashlib.sha256()
    try:
        with item.path.open("rb") as file:
            while piece := file.read(PIECE):
                digest.update(piece)
                on_bytes(len(piece))
    except OSError as error:
        return f"cannot be read ({error})"
    return "" if digest.hexdigest() == item.digest else "is not what was written"


def _outputs() -> Iterator[Item | Finding]:
    """What `dvc.lock` and DVC's listings of folders say; stages of which nothing is here rest."""
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
                yield Item(area="outputs", path=path, digest=md5)
                continue
            listing = cache / md5[:2] / md5[2:]
            content = listing.read_bytes() if listing.is_file() else b""
            if hashlib.md5(content).hexdigest() != md5.removesuffix(".dir"):
                yield Finding(area="outputs", path=listing, problem="is not DVC's list of files")
                continue
            for entry in json.loads(content):
                yield Item(area="outputs", path=path / entry["relpath"], digest=entry["md5"])


def _images() -> Iterator[Item]:
    if IMAGES.is_dir():
        for row in read_manifest(MANIFEST):
            yield Item(area="images", path=IMAGES / row.path, digest=row.sha256)


def _pairs() -> Iterator[Item]:
    if PAIRS.is_dir():
        for entry in PairStore(PAIRS).entries:
            for kind, digest in (("hr", entry.hr_sha256), ("lr", entry.lr_sha256)):
                path = PAIRS / kind / f"{entry.name}.npy"
                yield Item(area="pairs", path=path, digest=digest)


def _checkpoints() -> Iterator[Item | Finding]:
    folder = state_root() / "checkpoints"
    for state in sorted(folder.glob("*/*/step_*.pt")):
        if not state.with_suffix(".json").is_file() and state.is_file():
            yield Finding(area="checkpoints", path=state, problem=UNFINISHED)
    for manifest in sorted(folder.glob("*/*/step_*.json")):
        content = manifest.read_bytes()
        step, sha256 = int(manifest.stem.partition("_")[2]), _sha256_in(content)
        if content != manifest_text(step, sha256).encode():
            yield Finding(area="checkpoints", path=manifest, problem="is not what was written")
        else:
            state = manifest.with_suffix(".pt")
            yield Item(area="checkpoints", path=state, digest=sha256, manifest=manifest)


def _sha256_in(content: bytes) -> str:
    try:
        return str(json.loads(content)["sha256"])
    except (ValueError, KeyError, TypeError):
        return ""


def _registered() -> Iterator[Item | Finding]:
    for model in registered_files():
        if model.checksums is None:
            problem = "has no checksums that can be believed"
            yield Finding(area="registered", path=model.folder, problem=problem)
            continue
        for name, digest in model.checksums.items():
            yield Item(area="registered", path=model.folder / name, digest=digest)


def _sources() -> Iterator[Item]:
    for path in sorted((state_root() / "sources" / "sha256").glob("*/*")):
        if not path.name.startswith("."):
            yield Item(area="sources", path=path, digest=path.name)


def _prepared() -> Iterator[Item | Finding]:
    folder = state_root() / "prepared"
    for array in sorted((folder / "hr").glob("[!.]*.npy")):
        if not (folder / "pairs" / f"{array.stem}.json").is_file():
            yield Finding(area="prepared", path=array, problem=UNFINISHED)
    for note in sorted((folder / "pairs").glob("[!.]*.json")):
        if (entry := read_entry(note)) is None:
            yield Finding(area="prepared", path=note, problem="is not what was written")
            continue
        for kind, digest in (("hr", entry.hr_sha256), ("lr", entry.lr_sha256)):
            path = folder / kind / f"{note.stem}.npy"
            yield Item(area="prepared", path=path, digest=digest, manifest=note)
