"""NIQE, SSIM and PSNR of whole images: ours and BasicSR's."""

from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.peers import basicsr
from benchmarks.timing import compare, machine
from esrgan_core.io.resize import resize_pixels
from esrgan_core.io.rgb import Pixels, write_png
from esrgan_core.metrics import METRICS
from esrgan_core.tensors import to_tensor


def random_image(height: int, width: int) -> Pixels:
    """Structure at all scales: noise, enlarged and added up."""
    random = np.random.default_rng(0)
    image = np.zeros((height, width, 3))
    for size in (8, 32, 128, 512):
        noise = random.integers(0, 256, (size, size, 3), dtype=np.uint8)
        image += resize_pixels(noise, size=(height, width)) / 4
    return image.astype(np.uint8)


def images(folder: Path, photographs: Path | None, count: int) -> list[Path]:
    """PNG files to measure: those of `photographs`, or `count` generated 2K ones in `folder`."""
    if photographs is not None:
        return sorted(photographs.glob("*.png"))
    files = [folder / f"{number}.png" for number in range(count)]
    for path in files:
        write_png(path, random_image(1356, 2040))
    return files


def main() -> None:
    """Print milliseconds, ratios, and both results."""
    niqe = basicsr("metrics.niqe").calculate_niqe
    psnr_ssim = basicsr("metrics.psnr_ssim")
    print(machine())
    for height, width, rounds in ((500, 500, 9), (1356, 2040, 3)):
        hr = random_image(height, width)
        sr = np.clip(hr + np.random.default_rng(1).normal(0, 3, hr.shape), 0, 255).astype(np.uint8)
        # theirs take BGR
        theirs, ours = (sr[..., ::-1], hr[..., ::-1]), (to_tensor(sr), to_tensor(hr))
        peers = {
            "niqe": partial(niqe, theirs[0], 4),
            "ssim_y": partial(psnr_ssim.calculate_ssim, *theirs, 4, test_y_channel=True),
            "psnr_y": partial(psnr_ssim.calculate_psnr, *theirs, 4, test_y_channel=True),
        }
        for name, peer in peers.items():
            mine = partial(METRICS[name], *ours, 4)
            title = f"{name}, {width}x{height}"
            compare(title, {"BasicSR": peer, "ours": mine}, rounds=rounds)
            print(f"  BasicSR {float(peer()):.6f}, ours {mine():.6f}")


if __name__ == "__main__":
    main()
