"""Registers a version: a pyfunc model with its weights, its code and its evidence."""

import shutil
import warnings
from collections.abc import Mapping
from importlib.metadata import version as installed_version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import esrgan_core
from esrgan_core.files import file_sha256
from esrgan_core.models.reading import read_weights
from esrgan_core.strict_json import to_json
from pipelines.config.artifacts import FINETUNED, START
from pipelines.config.params import PARAMS
from pipelines.runtime.lineage import data_md5, git_commit
from pipelines.tracking.client import KEY_TAG, client, get_or_create_logged_model
from pipelines.tracking.model_files import CHECKSUMS, CHECKSUMS_FILE, EVIDENCE_FILE, ORIGIN_FILE
from pipelines.tracking.model_registry import DECISION, PENDING, ModelVersion, find_model
from pipelines.tracking.store_errors import translate_errors

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel

ORIGIN = (PARAMS, Path("data.dvc"), Path("dvc.lock"))
"""Files that, together with the commit, reproduce a model."""
REQUIREMENTS = (
    "imagecodecs", "jaxtyping", "numpy", "pandas", "pillow", "psutil", "safetensors", "scipy",
    "tifffile", "torch",
)  # fmt: skip
DESCRIPTION = """Super-resolution by ESRGAN; each version's description is its model card. The alias
`champion` names the one that passed every gate, `challenger` the newest that did not."""


def log_version(
    key: str, content: Mapping[str, Any], card: str, run_id: str, pending: Mapping[str, Any]
) -> ModelVersion:
    """Log both generators and the library as one model of a run, and register it as a version.

    `key` identifies the weights and the evidence; `content` is the decision with its evidence,
    `card` the description of the version, `pending` the change of the registry that it causes.
    """
    model, alpha = content["model"], content["evidence"]["alpha"]
    with translate_errors():
        logged = get_or_create_logged_model(model, run_id, {KEY_TAG: key})
        with TemporaryDirectory() as temporary:
            folder = Path(temporary, "model")
            _save_model(folder, logged, alpha)
            checksums = _write_evidence(folder, content)
            client().log_model_artifacts(logged.model_id, str(folder))
        _log_output(run_id, logged.model_id)
        client().finalize_logged_model(logged.model_id, "READY")
        if find_model(model) is None:
            client().create_registered_model(model, description=DESCRIPTION)
        version = client().create_model_version(
            model,
            source=logged.model_uri,
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
                **read_start(),
            },
            description=card,
            model_id=logged.model_id,
        )
    return ModelVersion.of_mlflow(version)


def read_start() -> dict[str, str]:
    """The name and hash of the weights that the trainings started from; empty if random."""
    lineage = read_weights(START).lineage
    return {name: lineage[name] for name in ("start", "start.sha256") if name in lineage}


def _save_model(folder: Path, logged: "LoggedModel", alpha: float) -> None:
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
    with warnings.catch_warnings():
        # the signature is exact without an example
        warnings.filterwarnings("ignore", message=".*input example was not provided")
        save_model(
            folder,
            mlflow_model=Model(
                artifact_path=logged.artifact_location,
                model_uuid=logged.model_id,
                model_id=logged.model_id,
                run_id=logged.source_run_id,
            ),
            python_model=str(Path(__file__).with_name("pyfunc.py")),
            artifacts={"psnr": str(START), "gan": str(FINETUNED)},
            code_paths=[str(Path(esrgan_core.__file__).parent)],
            signature=ModelSignature(inputs=image, outputs=image, params=params),
            pip_requirements=[
                f"{name}=={installed_version(name).partition('+')[0]}" for name in REQUIREMENTS
            ],
            metadata={"alpha": alpha},
        )
    for cache in list(folder.rglob("__pycache__")):
        shutil.rmtree(cache)


def _write_evidence(folder: Path, content: Mapping[str, Any]) -> str:
    """Write evidence, origin and checksums into a saved model; return the SHA-256 of the last."""
    origin = {"commit": git_commit()}
    origin |= {str(path): path.read_text("utf-8") for path in ORIGIN if path.is_file()}
    evidence = to_json(content, indent=1, sort_keys=True)
    (folder / EVIDENCE_FILE).write_text(f"{evidence}\n", encoding="utf-8")
    (folder / ORIGIN_FILE).write_text(f"{to_json(origin, indent=1)}\n", encoding="utf-8")
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    checksums = {str(path.relative_to(folder)): file_sha256(path) for path in files}
    path = folder / CHECKSUMS_FILE
    path.write_text(f"{to_json(checksums, indent=2)}\n", encoding="utf-8")
    return file_sha256(path)


def _log_output(run_id: str, model_id: str) -> None:
    """Log once that a run produced a model; MLflow would log it again in every attempt."""
    from mlflow.entities import LoggedModelOutput  # noqa: PLC0415

    outputs = client().get_run(run_id).outputs
    if all(one.model_id != model_id for one in (outputs.model_outputs if outputs else [])):
        client().log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
