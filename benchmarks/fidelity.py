"""Our results and those of the literature, on real images: writes `docs/fidelity.md`.

`ESRGAN_TEST_DATA` names the folder of test sets, reference results and published weights.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import fmean

import jinja2
import numpy as np
import torch

from esrgan_core.files import write_text
from esrgan_core.inference.upscale import upscale
from esrgan_core.io.geometry import crop_to_multiple
from esrgan_core.io.resize import Convention, bicubic_pair, resize_pixels
from esrgan_core.io.rgb import Pixels, read_rgb
from esrgan_core.metrics import METRICS, metrics_by_name
from esrgan_core.metrics.niqe import niqe
from esrgan_core.metrics.ssim import ssim
from esrgan_core.models.weights import load_generator
from esrgan_core.tensors import to_tensor

ROOT = Path(__file__).parents[1]
Line = tuple[str, str, str]
"""(what, the reference, ours)"""


def resizing(data: Path) -> Iterator[Line]:
    """Values that differ from MATLAB's LR images."""
    sets: list[tuple[str, str, int, Convention]] = [
        ("Set5", "LRbicx2", 2, "per_pass_uint8"),
        ("Set5", "LRbicx3", 3, "per_pass_uint8"),
        ("Set5", "LRbicx4", 4, "per_pass_uint8"),
        ("Set14", "LRbicx4", 4, "per_pass_uint8_replicate"),
        ("BSD100", "LRbicx4", 4, "per_pass_uint8_replicate"),
    ]
    for name in ("baboon", "comic"):
        hr = read_rgb(data / "sets" / "Set14" / "HR" / f"{name}.png")
        lr = read_rgb(data / "esrgan_official" / "LR" / f"{name}.png")
        yield f"the authors' LR of {name}, `double`", "0", differing(bicubic_pair(hr, 4)[1], lr)
    for name, folder, scale, convention in sets:
        files = sorted((data / "sets" / name / "HR").iterdir())
        apart = [
            int(
                differing(
                    bicubic_pair(read_rgb(path), scale, convention)[1],
                    read_rgb(data / "sets" / name / folder / path.name),
                ).split()[0]
            )
            for path in files
        ]
        yield f"{name} x{scale}, {len(files)} images, `{convention}`", "0", str(sum(apart))
    lena = read_rgb(data / "matlab" / "lena_512x512.png")
    for kind, convention in _MATLAB_CLASSES.items():
        expected = read_rgb(data / "matlab" / f"lena_123x234_{kind}.png")
        ours = resize_pixels(lena, size=(123, 234), convention=convention)
        yield f"lena to 234x123, class {kind}, `{convention}`", "0", differing(ours, expected)


_MATLAB_CLASSES: dict[str, Convention] = {"double": "double", "uint8": "per_pass_uint8"}


def differing(ours: Pixels, theirs: Pixels) -> str:
    """The number of values that differ."""
    return f"{int((ours != theirs).sum())} of {theirs.size:,}"


def psnr_ssim(pairs: Iterable[tuple[Pixels, Pixels]]) -> str:
    """Mean PSNR and SSIM on luma of (SR, HR) at scale 4."""
    images = [(to_tensor(sr), to_tensor(hr)) for sr, hr in pairs]
    means = (fmean(METRICS[name](*pair, 4) for pair in images) for name in ("psnr_y", "ssim_y"))
    return "{:.4f} / {:.4f}".format(*means)


def read_test_set(data: Path, name: str) -> Iterator[tuple[Pixels, Pixels]]:
    """(LR, HR cropped to a multiple of 4) of a test set."""
    for path in sorted((data / "sets" / name / "HR").iterdir()):
        lr = read_rgb(data / "sets" / name / "LRbicx4" / path.name)
        yield lr, crop_to_multiple(read_rgb(path), 4)


def bicubic(data: Path) -> Iterator[Line]:
    """PSNR and SSIM of bicubic enlargement."""
    references = {"Set5": "28.42 / .8104", "Set14": "26.09", "BSD100": "26.34"}
    for name, reference in references.items():
        pairs = [(resize_pixels(lr, 4), hr) for lr, hr in read_test_set(data, name)]
        if "/" not in reference:
            reference += " (same files)"
        yield f"{name}, {len(pairs)} images, Y", reference, psnr_ssim(pairs)
    for name, both in {
        "baboon": ("22.441899 / .453098", "20.419710 / .391853"),
        "comic": ("21.720398 / .585511", "20.239912 / .567738"),
    }.items():
        hr = crop_to_multiple(read_rgb(data / "sets" / "Set14" / "HR" / f"{name}.png"), 12)
        images = to_tensor(resize_pixels(bicubic_pair(hr, 4)[1], 4)), to_tensor(hr)
        for channels, expected in zip(("y", "rgb"), both, strict=True):
            values = [METRICS[f"{metric}_{channels}"](*images, 4) for metric in ("psnr", "ssim")]
            what = f"{name}, cropped to a multiple of 12, {channels.upper()} (MATLAB)"
            yield what, expected, "{:.6f} / {:.6f}".format(*values)


def weights_in(data: Path, name: str) -> Path:
    """Path of LPIPS's weights in the test data."""
    files = {
        "alexnet": "alexnet_features.pth",
        "vgg16": "vgg16_features_fp16.pth",
        "lpips_alex": "lpips_lin/v0.1/alex.pth",
        "lpips_vgg": "lpips_lin/v0.1/vgg.pth",
    }
    return data / "weights" / files[name]


def results(data: Path) -> Iterator[Line]:
    """The authors' result, and published weights."""
    sr = to_tensor(read_rgb(data / "esrgan_official" / "results" / "baboon_ESRGAN.png"))
    hr = to_tensor(read_rgb(data / "sets" / "Set14" / "HR" / "baboon.png"))
    expected = {"psnr_y": "20.324", "ssim_y": ".4306", "lpips": ".2031", "lpips_vgg": ".3177"}
    measures = metrics_by_name(expected, lambda name: weights_in(data, name))
    for name, reference in expected.items():
        yield (
            f"baboon by the authors' ESRGAN, {name}",
            reference,
            f"{measures[name](sr, hr, 4):.4f}",
        )
    network = load_generator(data / "weights" / "RealESRGAN_x4plus_fp16.pth")
    pairs = ((upscale(network, lr), hr) for lr, hr in read_test_set(data, "Set5"))
    yield "Set5 by Real-ESRGAN x4plus, Y", "26.63 / .8068", psnr_ssim(pairs)


def pairs(data: Path) -> Iterator[Line]:
    """Five pairs of TID2013, with values of the metrics' original code."""
    measure = metrics_by_name(["lpips"], lambda name: weights_in(data, name))["lpips"]
    recorded = {
        "I03": ("21.11", ".6993", ".7237", "15.7536"),
        "I04": ("20.99", ".9978", ".2572", "3.6549"),
        "I06": ("27.01", ".9989", ".0508", "3.2355"),
        "I08": ("23.30", ".9669", ".0521", "3.1840"),
        "I19": ("21.62", ".6519", ".4253", "8.6352"),
    }
    for name, values_recorded in recorded.items():
        pixels = [read_rgb(data / "iqa" / kind / f"{name}.bmp") for kind in ("dist_dir", "ref_dir")]
        sr, hr = map(to_tensor, pixels)
        grays = [gray(rgb) for rgb in pixels]
        structure = ssim(*(torch.from_numpy(image / 255)[None, None] for image in grays))
        values = (
            METRICS["psnr_rgb"](sr, hr, 0), float(structure), measure(sr, hr, 0), niqe(grays[0]),
        )  # fmt: skip
        yield name, " / ".join(values_recorded), "{:.2f} / {:.4f} / {:.4f} / {:.4f}".format(*values)
    baboon = to_tensor(read_rgb(data / "sets" / "Set14" / "HR" / "baboon.png"))
    reference = "5.7296 (MATLAB, of mmagic's copy)"
    yield "NIQE of Set14's baboon", reference, f"{METRICS['niqe'](baboon, baboon, 0):.4f}"


def gray(rgb: Pixels) -> np.ndarray:
    """MATLAB's rgb2gray of 8-bit pixels."""
    weights = [0.298936021293775, 0.587043074451121, 0.114020904255103]
    return np.floor(rgb.astype(float) @ weights + 0.5)


def main() -> None:
    """Measure everything and write the document."""
    if "ESRGAN_TEST_DATA" not in os.environ:
        sys.exit("ESRGAN_TEST_DATA must name the folder of test sets and weights")
    data = Path(os.environ["ESRGAN_TEST_DATA"])
    template = jinja2.Template(
        Path(__file__).with_suffix(".md.j2").read_text(encoding="utf-8"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    sections = {section.__name__: list(section(data)) for section in SECTIONS}
    write_text(ROOT / "docs" / "fidelity.md", template.render(sections))
    for lines in sections.values():
        for what, reference, ours in lines:
            print(f"{what}: {reference} | {ours}")


SECTIONS = (resizing, bicubic, results, pairs)

if __name__ == "__main__":
    main()
