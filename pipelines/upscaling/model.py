"""The network that upscales, out of the registry or a file."""

from dataclasses import dataclass
from pathlib import Path

from esrgan_core.models import Generator
from esrgan_core.models.sft import SFTNet
from esrgan_core.models.weights import load_generator, load_interpolated

CHAMPION = "models:/esrgan@champion"


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """A generator, and where it is from."""

    network: Generator
    words: str


def load_model(name: str | None, alpha: float | None) -> Model:
    """A generator out of the registry or a file.

    Args:
        name: `models:/NAME@ALIAS`, `models:/NAME/VERSION` or a file; None for the champion.
        alpha: between the PSNR-oriented and the perception-oriented network of a registered
            model; None for the model's own.

    Raises:
        FileNotFoundError: if there is no such file, or no champion.
        ValueError: if it is no generator that takes a image alone, or `alpha` does not apply.
        StoreDownError: if MLflow does not answer.
    """
    if name is None or name.startswith("models:/"):
        model = _registered(name, alpha)
    elif alpha is not None:
        raise ValueError(
            "--alpha lies between the two networks of a registered model; a file has one: "
            "`esrgan interpolate` makes one between two files"
        )
    else:
        model = Model(network=load_generator(Path(name)), words=name)
    if isinstance(model.network, SFTNet):
        raise ValueError(f"{name} is an SFTNet, which must be told what a image shows")
    return model


def _registered(name: str | None, alpha: float | None) -> Model:
    # weights in a file need none of what the registry does
    try:
        from pipelines.tracking.model_registry import has_alias, load_generators  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if name is None:
            error.add_note("or name weights: --model FILE")
        raise

    if name is None:
        if not has_alias(CHAMPION):
            raise FileNotFoundError(
                "the registry has no champion yet; `make repro` trains one, or name weights: "
                "--model FILE"
            )
        name = CHAMPION
    found = load_generators(name)
    chosen = found.alpha if alpha is None else alpha
    network = load_interpolated(found.psnr, found.gan, chosen)
    return Model(network=network, words=f"{found.words}, alpha {chosen:g}")
