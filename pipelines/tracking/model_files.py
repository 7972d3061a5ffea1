"""Files of registered versions: networks, evidence, origin and checksums."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from esrgan_core.files import file_sha256
from esrgan_core.strict_json import from_json
from pipelines.config.errors import UserError
from pipelines.runtime.state import state_root
from pipelines.tracking.client import client
from pipelines.tracking.database import has_store
from pipelines.tracking.model_registry import ModelVersion, get_version, parse_uri
from pipelines.tracking.store_errors import NotInStoreError, translate_errors

if TYPE_CHECKING:
    from esrgan_core.models.network_state import NetworkState

EVIDENCE_FILE = "evidence.json"
ORIGIN_FILE = "origin.json"
CHECKSUMS_FILE = "checksums.json"
"""Contains the SHA-256 of all other files."""
CHECKSUMS = "esrgan.checksums"
"""Tag with the SHA-256 of the file of checksums."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RegisteredFiles:
    """The local files of a version."""

    psnr: Path
    """The PSNR-oriented network, alpha 0."""
    gan: Path
    """The perceptual network, alpha 1."""
    alpha: float
    """The default."""
    version: ModelVersion


def load_generators(uri: str) -> RegisteredFiles:
    """Download the networks of `models:/NAME/VERSION` or `models:/NAME@ALIAS` if necessary.

    Raises:
        UserError: if there is no such version, or this project did not register it.
    """
    with translate_errors():
        version = get_version(*parse_uri(uri, ""))
        # after the client, which waits for another thread that imports MLflow
        from mlflow.models import Model  # noqa: PLC0415

        source = client().get_logged_model(version.model_id).artifact_location
        folder = _download(source, state_root() / "models" / version.model_id)
        model = Model.load(folder)
    try:
        files = model.flavors["python_function"]["artifacts"]
        psnr, gan = (folder / files[name]["path"] for name in ("psnr", "gan"))
        alpha = float((model.metadata or {})["alpha"])
    except (KeyError, TypeError) as error:
        raise UserError(f"{uri} is not a model of this project: it has no {error}") from error
    return RegisteredFiles(psnr=psnr, gan=gan, alpha=alpha, version=version)


@dataclass(frozen=True, kw_only=True, slots=True)
class RegisteredNetwork:
    """The network of a version at an alpha."""

    network: "NetworkState"
    alpha: float
    version: ModelVersion


def load_registered(uri: str, alpha: float | None) -> RegisteredNetwork:
    """Load the network of a version at `alpha`, or at its default alpha.

    Raises:
        UserError: as `load_generators`.
    """
    # torch is slow to import
    from esrgan_core.models.weights import load_interpolated, network_state  # noqa: PLC0415

    files = load_generators(uri)
    chosen = files.alpha if alpha is None else alpha
    network = network_state(load_interpolated(files.psnr, files.gan, chosen))
    return RegisteredNetwork(network=network, alpha=chosen, version=files.version)


def _download(source: str, folder: Path) -> Path:
    """Download a folder of artifacts once, atomically, since other processes may read it."""
    from mlflow.artifacts import download_artifacts  # noqa: PLC0415

    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / "MLmodel").is_file():
            prefix = f".{folder.name}-"
            # remains of a killed process
            for remains in (folder, *folder.parent.glob(f"{prefix}*")):
                shutil.rmtree(remains, ignore_errors=True)
            with TemporaryDirectory(dir=folder.parent, prefix=prefix) as temporary:
                Path(download_artifacts(artifact_uri=source, dst_path=temporary)).rename(folder)
    return folder


def read_evidence(version: ModelVersion) -> dict[str, Any] | None:
    """The evidence of a version's decision, if it has one."""
    content = _read_json(version, EVIDENCE_FILE)
    return content["evidence"] if content else None


def read_origin(version: ModelVersion) -> dict[str, str]:
    """The commit of a version, and its parameter and data files by name; or a UserError."""
    if origin := _read_json(version, ORIGIN_FILE):
        return origin
    raise UserError(
        f"{version.model} version {version.version} has no {ORIGIN_FILE}: "
        "this project did not register it"
    )


def _read_json(version: ModelVersion, name: str) -> dict[str, Any] | None:
    from mlflow.artifacts import download_artifacts  # noqa: PLC0415

    try:
        with translate_errors():
            files = client().list_logged_model_artifacts(version.model_id)
    except NotInStoreError:
        return None  # another program registered it, or its model was deleted
    if name not in {one.path for one in files}:
        return None
    with translate_errors(), TemporaryDirectory() as folder:
        location = client().get_logged_model(version.model_id).artifact_location
        path = download_artifacts(artifact_uri=f"{location}/{name}", dst_path=folder)
        return dict(from_json(Path(path).read_text(encoding="utf-8")))


def registered_files() -> Iterator[tuple[Path, dict[str, str] | None]]:
    """Yield the local folder of every version that has checksums, and its SHA-256 by path.

    None takes their place if the file of checksums is missing or damaged.
    """
    if not has_store():
        return
    with translate_errors():
        from mlflow.artifacts import download_artifacts  # noqa: PLC0415

        for version in client().search_model_versions():
            if CHECKSUMS not in version.tags:
                continue
            folder = Path(download_artifacts(artifact_uri=version.source))
            path = folder / CHECKSUMS_FILE
            intact = path.is_file() and file_sha256(path) == version.tags[CHECKSUMS]
            yield folder, from_json(path.read_text(encoding="utf-8")) if intact else None
