"""Versions of the registered model: a pyfunc whose code and weights travel with it."""

import shutil
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as installed
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from filelock import FileLock

import esrgan_core
from esrgan_core.files import file_sha256
from esrgan_core.strict_json import from_json, to_json
from pipelines.config.artifacts import FINETUNED, PRETRAINED
from pipelines.config.params import PARAMS
from pipelines.runtime.lineage import data_md5, git_commit
from pipelines.runtime.state import state_root
from pipelines.tracking.client import (
    KEY_TAG,
    client,
    get_or_create_logged_model,
    has_store,
    quote_value,
    translate_errors,
)

DECISION = "esrgan.decision"
PENDING = "esrgan.pending"
"""Tag of a version with what is to happen to the registry because of it, until it has happened."""
CHAMPIONS = "esrgan.champions"
MOST_CHAMPIONS = 20
"""That are remembered, beside those by force, all of which are: a tag does not hold any number."""
EVIDENCE_FILE = "evidence.json"
ORIGIN_FILE = "origin.json"
ORIGIN = (PARAMS, Path("data.dvc"), Path("dvc.lock"))
"""Files that, with the commit, say what a model was made from."""
CHECKSUMS = "esrgan.checksums"
"""Tag with the sha256 of the file below, which has the sha256 of every file of a version."""
CHECKSUMS_FILE = "checksums.json"
REQUIREMENTS = (
    "imagecodecs", "jaxtyping", "numpy", "pandas", "pillow", "psutil", "safetensors", "scipy",
    "tifffile", "torch",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelVersion:
    """A version of the registered model."""

    model: str
    version: str
    model_id: str
    run_id: str
    created: datetime
    tags: Mapping[str, str]

    @property
    def content(self) -> dict[str, Any]:
        """The decision as it was made, without the evidence."""
        own = {"model": self.model, "version": self.version}
        return from_json(self.tags[DECISION]) | own


def find_version(model: str, key: str) -> ModelVersion | None:
    """The version that was made from the same weights and evidence."""
    with translate_errors():
        wanted = f"name = {quote_value(model)} and tags.`{KEY_TAG}` = {quote_value(key)}"
        found = client().search_model_versions(wanted)
    return _registered(found[0]) if found else None


def list_versions(model: str) -> list[ModelVersion]:
    """All versions, the oldest first."""
    with translate_errors():
        found = client().search_model_versions(f"name = {quote_value(model)}")
    return sorted(map(_registered, found), key=lambda one: int(one.version))


def get_version(model: str, version: str) -> ModelVersion:
    """One version, by its number or an alias.

    Raises:
        ValueError: if there is none; says which there are.
        StoreDownError: if MLflow does not answer.
    """
    wanted = get_aliases(model).get(version, version)
    known = list_versions(model)
    for one in known:
        if one.version == wanted:
            return one
    raise ValueError(
        f"there is no {model} version {version}; there are "
        f"{[one.version for one in known]} and the aliases {get_aliases(model)}"
    )


def _registered(version: Any) -> ModelVersion:
    return ModelVersion(
        model=version.name,
        version=str(version.version),
        # a search leaves its own field for it empty
        model_id=version.source.removeprefix("models:/"),
        run_id=version.run_id or "",
        created=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
        tags=dict(version.tags),
    )


def get_aliases(model: str) -> dict[str, str]:
    """Version by alias; empty where nothing has that name."""
    with translate_errors():
        if not client().search_registered_models(f"name = {quote_value(model)}"):
            return {}
        return {
            name: str(version)
            for name, version in client().get_registered_model(model).aliases.items()
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Generators:
    """Both networks of a registered model, on this machine."""

    psnr: Path
    gan: Path
    alpha: float
    """The model's own."""
    words: str


def has_alias(uri: str) -> bool:
    """Whether the store has the version that `models:/NAME@ALIAS` names."""
    name, _, alias = uri.removeprefix("models:/").partition("@")
    return has_store() and alias in get_aliases(name)


def load_generators(uri: str) -> Generators:
    """The networks of `models:/NAME/VERSION` or `models:/NAME@ALIAS`, fetched where needed.

    Raises:
        ValueError: if there is no such version, or it is no model of ours.
        StoreDownError: if MLflow does not answer.
    """
    with translate_errors():
        from mlflow.models import Model  # noqa: PLC0415

        version = get_version(*parse_uri(uri, ""))
        source = client().get_logged_model(version.model_id).artifact_location
        folder = _copied(source, state_root() / "models" / version.model_id)
        described = Model.load(folder)
    try:
        files = described.flavors["python_function"]["artifacts"]
        psnr, gan = (folder / files[name]["path"] for name in ("psnr", "gan"))
        alpha = float((described.metadata or {})["alpha"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"{uri} is no model of this pipeline: it has no {error}") from error
    words = f"{version.model} version {version.version}"
    return Generators(psnr=psnr, gan=gan, alpha=alpha, words=words)


def _copied(source: str, folder: Path) -> Path:
    """A folder of artifacts as a copy that stays, whole or not at all, fetched once.

    MLflow itself writes file by file into its target, where another process may read them.
    """
    from mlflow.artifacts import download_artifacts  # noqa: PLC0415

    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / "MLmodel").is_file():
            prefix = f".{folder.name}-"
            # what a killed process has left
            for left in (folder, *folder.parent.glob(f"{prefix}*")):
                shutil.rmtree(left, ignore_errors=True)
            with TemporaryDirectory(dir=folder.parent, prefix=prefix) as place:
                Path(download_artifacts(artifact_uri=source, dst_path=place)).rename(folder)
    return folder


def parse_uri(uri: str, default: str) -> tuple[str, str]:
    """(model, version or alias) of `models:/esrgan/3`, `models:/esrgan@champion` or just `3`.

    >>> parse_uri("models:/esrgan@champion", ""), parse_uri("3", "esrgan")
    (('esrgan', 'champion'), ('esrgan', '3'))

    Raises:
        ValueError: if it is none of these.
    """
    rest = uri.removeprefix("models:/")
    if rest == uri:
        return default, uri
    for mark in ("@", "/"):
        model, found, version = rest.partition(mark)
        if found and model and version:
            return model, version
    raise ValueError(f"{uri!r} is neither models:/NAME/VERSION nor models:/NAME@ALIAS")


def read_evidence(version: ModelVersion) -> dict[str, Any] | None:
    """What a version's decision rests on; None where it carries nothing of it."""
    text = _file_of(version, EVIDENCE_FILE)
    return None if text is None else from_json(text)["evidence"]


def read_origin(version: ModelVersion) -> dict[str, str]:
    """Text of the files that a version's workspace is made from, by name.

    Raises:
        ValueError: if the version carries none.
    """
    text = _file_of(version, ORIGIN_FILE)
    if text is None:
        raise ValueError(
            f"{version.model} version {version.version} carries no {ORIGIN_FILE}: "
            "it was registered by other means"
        )
    return dict(from_json(text))


def _file_of(version: ModelVersion, name: str) -> str | None:
    """Text of a file of a version; None if it has no such file."""
    from mlflow.artifacts import download_artifacts  # noqa: PLC0415
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    with translate_errors(), TemporaryDirectory() as folder:
        try:
            files = client().list_logged_model_artifacts(version.model_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None  # registered by other means, or its model was deleted
        if name not in {one.path for one in files}:
            return None
        location = client().get_logged_model(version.model_id).artifact_location
        path = download_artifacts(artifact_uri=f"{location}/{name}", dst_path=folder)
        return Path(path).read_text(encoding="utf-8")


def read_history(model: str) -> list[dict[str, Any]]:
    """The champions that there have been, the newest last: version, when, why, forced."""
    with translate_errors():
        if not client().search_registered_models(f"name = {quote_value(model)}"):
            return []
        return list(from_json(client().get_registered_model(model).tags.get(CHAMPIONS, "[]")))


def write_history(model: str, lines: list[dict[str, Any]]) -> None:
    """Keep which champions there have been: the last `MOST_CHAMPIONS`, and every one by force."""
    kept = [line for line in lines[:-MOST_CHAMPIONS] if line["forced"]] + lines[-MOST_CHAMPIONS:]
    with translate_errors():
        client().set_registered_model_tag(model, CHAMPIONS, to_json(kept))


def set_pending(version: ModelVersion, change: Mapping[str, Any]) -> None:
    """Write down what is to happen to the registry because of a version, before it happens."""
    with translate_errors():
        text = to_json(change)
        client().set_model_version_tag(version.model, version.version, PENDING, text)


def clear_pending(version: ModelVersion) -> None:
    """Say that it has happened."""
    with translate_errors():
        client().delete_model_version_tag(version.model, version.version, PENDING)


def log_version(
    model: str,
    key: str,
    alpha: float,
    content: Mapping[str, Any],
    card: str,
    run_id: str,
    pending: Mapping[str, Any],
) -> ModelVersion:
    """Log both generators and the library as one model of a run, and make it a version.

    Args:
        model: name in the registry.
        key: by which the version is found again.
        alpha: the default.
        content: the decision with its evidence, kept with the version.
        card: its description.
        run_id: MLflow run that it becomes a model of.
        pending: what is to happen to the registry now that there is this version.
    """
    with translate_errors():
        made = get_or_create_logged_model(model, run_id, {KEY_TAG: key})
        with TemporaryDirectory() as place:
            checksums = _write_model(Path(place, "model"), made, alpha, content)
            client().log_model_artifacts(made.model_id, str(Path(place, "model")))
        _log_output(run_id, made.model_id)
        client().finalize_logged_model(made.model_id, "READY")
        if not client().search_registered_models(f"name = {quote_value(model)}"):
            client().create_registered_model(model, description=DESCRIPTION)
        version = client().create_model_version(
            model,
            source=made.model_uri,
            run_id=run_id,
            tags={
                KEY_TAG: key,
                DECISION: to_json({name: content[name] for name in ("alias", "reasons")}),
                PENDING: to_json(pending),
                CHECKSUMS: checksums,
                "git.commit": git_commit(),
                "data.md5": data_md5(),
                "params.sha256": file_sha256(PARAMS),
                "evaluation": content["evidence"]["evaluation"],
            },
            description=card,
            model_id=made.model_id,
        )
    return _registered(version)


def _write_model(folder: Path, made: Any, alpha: float, content: Mapping[str, Any]) -> str:
    """Write the files of a logged model; the checksum of their checksums."""
    from mlflow.models import Model, ModelSignature  # noqa: PLC0415
    from mlflow.pyfunc import save_model  # noqa: PLC0415
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema  # noqa: PLC0415

    image = Schema([ColSpec("binary", "image")])
    params = ParamSchema(
        [
            ParamSpec("alpha", "double", alpha),
            ParamSpec("format", "string", "png"),
            ParamSpec("precision", "string", "fp32"),
        ]
    )
    described = Model(
        artifact_path=made.artifact_location,
        model_uuid=made.model_id,
        model_id=made.model_id,
        run_id=made.source_run_id,
    )
    with warnings.catch_warnings():
        # the signature is exact; a image as example would add nothing
        warnings.filterwarnings("ignore", message=".*input example was not provided")
        save_model(
            folder,
            mlflow_model=described,
            python_model=str(Path(__file__).with_name("pyfunc.py")),
            artifacts={"psnr": str(PRETRAINED), "gan": str(FINETUNED)},
            code_paths=[str(Path(esrgan_core.__file__).parent)],
            signature=ModelSignature(inputs=image, outputs=image, params=params),
            pip_requirements=[
                f"{name}=={installed(name).partition('+')[0]}" for name in REQUIREMENTS
            ],
            metadata={"alpha": alpha},
        )
    for compiled in list(folder.rglob("__pycache__")):
        shutil.rmtree(compiled)
    evidence = to_json(content, indent=1, sort_keys=True)
    (folder / EVIDENCE_FILE).write_text(f"{evidence}\n", encoding="utf-8")
    (folder / ORIGIN_FILE).write_text(f"{to_json(_origin(), indent=1)}\n", encoding="utf-8")
    checksums = {
        str(path.relative_to(folder)): file_sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    path = folder / CHECKSUMS_FILE
    path.write_text(f"{to_json(checksums, indent=2)}\n", encoding="utf-8")
    return file_sha256(path)


def _log_output(run_id: str, model_id: str) -> None:
    """Say once that a run has made a model; MLflow would say it again each time."""
    from mlflow.entities import LoggedModelOutput  # noqa: PLC0415

    outputs = client().get_run(run_id).outputs
    known = outputs.model_outputs if outputs else []
    if all(one.model_id != model_id for one in known):
        client().log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])


def _origin() -> dict[str, str]:
    """What `esrgan reproduce` needs to prepare the workspace that a version was made in."""
    here = (path for path in ORIGIN if path.is_file())
    return {"commit": git_commit()} | {str(path): path.read_text("utf-8") for path in here}


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
    with translate_errors():
        from mlflow.artifacts import download_artifacts  # noqa: PLC0415

        for version in client().search_model_versions():
            if CHECKSUMS not in version.tags:
                continue
            folder = Path(download_artifacts(artifact_uri=version.source))
            path = folder / CHECKSUMS_FILE
            intact = path.is_file() and file_sha256(path) == version.tags[CHECKSUMS]
            checksums = from_json(path.read_text(encoding="utf-8")) if intact else None
            yield RegisteredFiles(folder=folder, checksums=checksums)


def set_alias(model: str, alias: str, version: str) -> None:
    """Let `alias` name this version."""
    with translate_errors():
        client().set_registered_model_alias(model, alias, version)


DESCRIPTION = """Super-resolution by ESRGAN; each version's description is its model card. The alias
`champion` names the one that passed every gate, `challenger` the newest that did not."""
