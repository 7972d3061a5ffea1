"""A generator as ONNX, for every size, held to the network that it came from."""

import logging
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from esrgan_core.files import atomic_path
from esrgan_core.models import Generator
from esrgan_core.models.sft import SFTNet

OPSET = 18
SIZES = ((32, 32), (48, 33), (17, 29))
"""(height, width) at which both are compared; odd ones too."""
MOST_APART = 1e-4
"""Of white."""
TRACED = (24, 20)


class ParityError(ValueError):
    """What was exported computes something else."""


def export_onnx(
    network: Generator, path: Path, on_size: Callable[[tuple[int, int], float], None]
) -> None:
    """Write `network` as ONNX of dynamic batch, height and width, once it agrees at all `SIZES`.

    Args:
        network: in eval mode; computes in fp32 on its device.
        path: a `.onnx` file; input `lr` and output `sr`, float `b 3 h w` in [0, 1].
        on_size: told each size and how far apart the results are at most there.

    Raises:
        ParityError: if ONNX Runtime's result differs; nothing is written then.
        ValueError: if the network takes more than images.
    """
    if isinstance(network, SFTNet):
        raise ValueError("SFTNet must be told what an image shows; it cannot be exported alone")
    example = torch.rand(1, 3, *TRACED)
    dynamic = {
        0: torch.export.Dim.DYNAMIC,
        2: torch.export.Dim.DYNAMIC,
        3: torch.export.Dim.DYNAMIC,
    }
    with atomic_path(path) as temporary:
        with warnings.catch_warnings():
            # of the exporter's own making
            warnings.simplefilter("ignore")
            logging.getLogger("torch.onnx").setLevel(logging.ERROR)
            torch.onnx.export(
                network,
                (example,),
                temporary,
                input_names=["lr"],
                output_names=["sr"],
                dynamic_shapes=(dynamic,),
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        _check_parity(network, temporary, on_size)


def _check_parity(
    network: Generator, path: Path, on_size: Callable[[tuple[int, int], float], None]
) -> None:
    from onnxruntime import InferenceSession  # noqa: PLC0415  an extra, slow to import

    session = InferenceSession(path, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    for size in SIZES:
        lr = random.random((1, 3, *size), dtype=np.float32)
        (found,) = session.run(["sr"], {"lr": lr})
        with torch.inference_mode():
            wanted = network(torch.from_numpy(lr)).numpy()
        apart = float(np.abs(found - wanted).max())
        on_size(size, apart)
        if found.shape != wanted.shape or not apart <= MOST_APART:
            raise ParityError(
                f"at {size[1]}x{size[0]} pixels the exported network is off by {apart:.2e}, more "
                f"than {MOST_APART:g}; nothing was written"
            )
