"""MATLAB's bicubic reduction of a DIV2K-sized image: ours and BasicSR's."""

import numpy as np
import torch

from benchmarks.peers import basicsr
from benchmarks.timing import compare, machine
from esrgan_core.io.resize import imresize


def main() -> None:
    """Print milliseconds, ratios and the difference of the results."""
    theirs = basicsr("utils.matlab_functions").imresize
    pixels = np.random.default_rng(0).integers(0, 256, (1356, 2040, 3), dtype=np.uint8)
    image = pixels / 255
    tensor = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1).contiguous()
    apart = np.abs(imresize(image, 1 / 4) - theirs(tensor, 1 / 4).permute(1, 2, 0).numpy()).max()
    print(machine())
    compare(
        "imresize by 1/4, 2040x1356",
        {
            "BasicSR (float32)": lambda: theirs(tensor, 1 / 4),
            "ours (float64)": lambda: imresize(image, 1 / 4),
        },
        rounds=25,
    )
    print(f"  largest difference {255 * apart:.1e} of 255")


if __name__ == "__main__":
    main()
