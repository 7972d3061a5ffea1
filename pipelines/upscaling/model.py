"""The network that upscales, from the model registry or a weights file."""

from dataclasses import dataclass
from pathlib import Path

from esrgan_core.models.configs import SFTNetConfig
from esrgan_core.models.network_state import NetworkState
from esrgan_core.models.reading import load_network
from pipelines.config.errors import UserError, as_user_error


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """A generator and a description of its origin."""

    network: NetworkState
    description: str


def load_model(name: str | None, alpha: float | None) -> Model:
    """Load a generator from the model registry or a weights file.

    Args:
        name: `models:/NAME@ALIAS`, `models:/NAME/VERSION` or a file; None for the champion.
        alpha: 0 for the PSNR-oriented network of a registered model, 1 for the perceptual one;
            None for the default of the model.

    Raises:
        UserError: if there is no champion or no such file, `alpha` is given for a file, or the
            network needs semantic maps.
        StoreDownError: if MLflow does not answer.
    """
    if name is None or name.startswith("models:/"):
        model = _load_registered(name, alpha)
    elif alpha is not None:
        raise UserError(
            "--alpha needs a registered model, which has two networks; `esrgan interpolate` makes "
            "one file of two"
        )
    else:
        with as_user_error():
            model = Model(network=load_network(Path(name)), description=name)
    if isinstance(model.network.config, SFTNetConfig):
        raise UserError(f"{name} is an SFTNet, which needs semantic maps; choose another network")
    return model


def _load_registered(name: str | None, alpha: float | None) -> Model:
    # weights in a file need neither MLflow and boto3, nor torch where ncnn computes
    from pipelines.tracking.database import has_store  # noqa: PLC0415
    from pipelines.tracking.model_files import load_registered  # noqa: PLC0415
    from pipelines.tracking.model_registry import get_aliases, parse_uri  # noqa: PLC0415

    if name is None:
        name = "models:/esrgan@champion"
        try:
            model, alias = parse_uri(name, "")
            if not (has_store() and alias in get_aliases(model)):
                raise UserError(
                    "the registry has no champion; `make repro` trains one, or give weights: "
                    "--model FILE"
                )
        except ModuleNotFoundError as error:
            error.add_note("or give weights: --model FILE")
            raise
    found = load_registered(name, alpha)
    version = f"{found.version.model} version {found.version.version}"
    return Model(network=found.network, description=f"{version}, alpha {found.alpha:g}")
