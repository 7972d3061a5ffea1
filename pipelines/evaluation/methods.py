"""The methods that are compared: bicubic, networks, and interpolations of two networks."""

from pathlib import Path

import numpy as np
import torch

from esrgan_core.devices import resolve_device
from esrgan_core.engine.evaluation import Method, Pixels, Sample, network_method
from esrgan_core.io.resize import resize_pixels
from esrgan_core.models.build import Generator
from esrgan_core.models.network_state import NetworkState
from esrgan_core.models.weights import load_generator, load_interpolated
from pipelines.config.artifacts import FINETUNED, START
from pipelines.config.errors import as_user_error
from pipelines.runtime.state import requested_device


def bicubic(scale: int) -> Method:
    """MATLAB's bicubic enlargement."""
    return lambda sample: resize_pixels(np.asarray(sample.lr), scale)


@as_user_error()
def load_network(path: Path) -> tuple[Generator, Method]:
    """The generator of a weights file on the requested device, and its method; or a UserError."""
    network = _prepare(load_generator(path))
    return network, network_method(network)


def state_method(state: NetworkState) -> Method:
    """The method of a network on the requested device."""
    return network_method(_prepare(state.build()))


@as_user_error()
def network_interpolation(alpha: float) -> Method:
    """The network `(1 - alpha) psnr + alpha gan` (ESRGAN section 3.4)."""
    return network_method(_prepare(load_interpolated(START, FINETUNED, alpha)))


def _prepare(network: Generator) -> Generator:
    device = resolve_device(requested_device())
    if device.type == "cuda":
        # TF32 has a mantissa of ten bits, so that values would differ from the CPU's
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    return network.to(device).eval()


def image_interpolation(psnr: Method, gan: Method, alpha: float) -> Method:
    """The weighted mean of two results, rounded half up.

    The paper compares it to network interpolation: it fades artifacts but does not remove them.
    """

    def upscale(sample: Sample) -> Pixels:
        mixed = (1 - alpha) * psnr(sample).astype(np.float64) + alpha * gan(sample)
        return np.floor(mixed + 0.5).astype(np.uint8)

    return upscale
