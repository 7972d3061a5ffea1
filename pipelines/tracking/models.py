"""Versions of the registered model: a pyfunc whose code and weights travel with it."""

import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import esrgan_core
from esrgan_core.files import sha256_of
from pipelines.paths import FINETUNED, PRETRAINED
from pipelines.tracking import serving_path
from pipelines.tracking.store import KEY, client, has_store, reaching_store

DECISION = "esrgan.decision"
CHECKSUMS = "esrgan.checksums"
"""Tag with the sha256 of the file below, which has the sha256 of every file of a version."""
CHECKSUMS_FILE = "checksums.json"
ADDED_ON_LOADING = ("registered_model_meta",)
"""By MLflow, to what it has fetched."""
REQUIREMENTS = ("jaxtyping", "numpy", "pandas", "pillow", "safetensors", "scipy", "torch")


def find_version(model: str, key: str) -> dict[str, Any] | None:
    """What is known of the version that was made from the same weights and evidence."""
    with reaching_store():
        found = client().search_model_versions(f"name = '{model}' and tags.`{KEY}` = '{key}'")
    return _known(found[0]) if found else None


def champion(model: str) -> dict[str, Any] | None:
    """What is known of the version that the alias `champion` points to."""
    with reaching_store():
        if not client().search_registered_models(f"name = '{model}'"):
            return None
        held = client().get_registered_model(model).aliases.get("champion")
        return _known(client().get_model_version(model, held)) if held else None


def _known(version: Any) -> dict[str, Any]:
    content = json.loads(version.tags[DECISION])
    return {"model": version.name, "version": str(version.version), **content}


def log_version(model: str, key: str, alpha: float, content: Mapping[str, Any], run_id: str) -> str:
    """Log both generators and the library as one model of a run; return the version's number."""
    with reaching_store():
        import mlflow  # noqa: PLC0415
        from mlflow.models import ModelSignature  # noqa: PLC0415
        from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema  # noqa: PLC0415

        picture = Schema([ColSpec("binary", "image")])
        params = ParamSchema([ParamSpec("alpha", "double", alpha)])
        store = client()
        with mlflow.start_run(run_id=run_id), warnings.catch_warnings():
            # the signature is exact; a picture as example would add nothing
            warnings.filterwarnings("ignore", message=".*input example was not provided")
            info = mlflow.pyfunc.log_model(
                name=model,
                python_model=str(serving_path()),
                artifacts={"psnr": str(PRETRAINED), "gan": str(FINETUNED)},
                code_paths=[str(Path(esrgan_core.__file__).parent)],
                signature=ModelSignature(inputs=picture, outputs=picture, params=params),
                pip_requirements=[
                    f"{name}=={installed(name).partition('+')[0]}" for name in REQUIREMENTS
                ],
                metadata={"alpha": alpha},
            )
        checksums = _log_checksums(info.model_uri, info.model_id)
        if not store.search_registered_models(f"name = '{model}'"):
            store.create_registered_model(model, description=DESCRIPTION)
        made = store.create_model_version(
            model,
            source=info.model_uri,
            run_id=run_id,
            tags={
                KEY: key,
                DECISION: json.dumps(content, sort_keys=True),
                CHECKSUMS: checksums,
            },
            model_id=info.model_id,
        )
    return str(made.version)


def _log_checksums(uri: str, model_id: str) -> str:
    """Add the checksums of its files to a logged model; the checksum of the checksums."""
    from mlflow.artifacts import download_artifacts  # noqa: PLC0415

    with TemporaryDirectory() as folder:
        logged = Path(download_artifacts(artifact_uri=uri, dst_path=folder))
        found = {
            str(path.relative_to(logged)): sha256_of(path)
            for path in sorted(logged.rglob("*"))
            if path.is_file() and path.name not in ADDED_ON_LOADING
        }
    with TemporaryDirectory() as folder:
        path = Path(folder) / CHECKSUMS_FILE
        path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        client().log_model_artifact(model_id, str(path))
        return sha256_of(path)


@dataclass(frozen=True, kw_only=True, slots=True)
class RegisteredFiles:
    """The files of one version of a registered model, on this machine."""

    folder: Path
    checksums: dict[str, str] | None
    """sha256 by path; None if they are not there or not what was registered."""


def registered_files() -> Iterator[RegisteredFiles]:
    """Of every version that was registered from here; fetched if the store is elsewhere.

    Raises:
        StoreDownError: if MLflow does not answer.
    """
    if not has_store():
        return
    with reaching_store():
        from mlflow.artifacts import download_artifacts  # noqa: PLC0415

        for version in client().search_model_versions():
            if CHECKSUMS not in version.tags:
                continue
            folder = Path(download_artifacts(artifact_uri=version.source))
            path = folder / CHECKSUMS_FILE
            intact = path.is_file() and sha256_of(path) == version.tags[CHECKSUMS]
            checksums = json.loads(path.read_text(encoding="utf-8")) if intact else None
            yield RegisteredFiles(folder=folder, checksums=checksums)


def point_alias(model: str, alias: str, version: str) -> None:
    """Let `alias` name this version."""
    with reaching_store():
        client().set_registered_model_alias(model, alias, version)


DESCRIPTION = """Super-resolution by ESRGAN. Input and output: a column `image` of encoded pictures
(PNG, JPEG, ... in; PNG out), 8-bit RGB or gray, of any size. Parameter `alpha`: 0 is the
PSNR-oriented network, 1 the perception-oriented one."""
