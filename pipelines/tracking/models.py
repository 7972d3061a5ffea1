"""Versions of the registered model: a pyfunc whose code and weights travel with it."""

import json
import warnings
from collections.abc import Mapping
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import esrgan_core
from pipelines.paths import FINETUNED, PRETRAINED
from pipelines.tracking import serving_path
from pipelines.tracking.store import KEY, client, reaching_store

DECISION = "esrgan.decision"
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
        if not store.search_registered_models(f"name = '{model}'"):
            store.create_registered_model(model, description=DESCRIPTION)
        made = store.create_model_version(
            model,
            source=info.model_uri,
            run_id=run_id,
            tags={KEY: key, DECISION: json.dumps(content, sort_keys=True)},
            model_id=info.model_id,
        )
    return str(made.version)


def point_alias(model: str, alias: str, version: str) -> None:
    """Let `alias` name this version."""
    with reaching_store():
        client().set_registered_model_alias(model, alias, version)


DESCRIPTION = """Super-resolution by ESRGAN. Input and output: a column `image` of encoded pictures
(PNG, JPEG, ... in; PNG out), 8-bit RGB or gray, of any size. Parameter `alpha`: 0 is the
PSNR-oriented network, 1 the perception-oriented one."""
