"""Training patches per second of one core: ours and BasicSR's reader of sub-images.

HR patches of 128 at x4. BasicSR reads PNG sub-images of 480 and 120 pixels, as its scripts cut
them; we read memory maps of whole images. Both from files that the system has cached, on one
thread, to float tensors.
"""

import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from benchmarks.metrics import images
from benchmarks.peers import basicsr
from benchmarks.timing import AsJson, Rounds, compare, machine, print_results
from esrgan_core.data.pairs import PairStore, StoreFacts, add_image, write_index
from esrgan_core.data.sampling import PatchSampler
from esrgan_core.io.resize import bicubic_pair
from esrgan_core.io.rgb import read_rgb, write_png

PATCH, BATCH, SUB = 128, 16, 480


def peers_folders(root: Path, photographs: list[Path]) -> dict[str, Any]:
    """Write sub-images of all images; return BasicSR's options to read them."""
    for number, path in enumerate(photographs):
        hr, lr = bicubic_pair(read_rgb(path), 4)
        for top in range(0, hr.shape[0] - SUB + 1, SUB):
            for left in range(0, hr.shape[1] - SUB + 1, SUB):
                name = f"{number}_{top}_{left}.png"
                write_png(root / "hr" / name, hr[top : top + SUB, left : left + SUB])
                small = slice(top // 4, (top + SUB) // 4), slice(left // 4, (left + SUB) // 4)
                write_png(root / "lr" / name, lr[small])
    return {
        "dataroot_gt": str(root / "hr"),
        "dataroot_lq": str(root / "lr"),
        "io_backend": {"type": "disk"},
        "scale": 4,
        "phase": "train",
        "gt_size": PATCH,
        "use_hflip": True,
        "use_rot": True,
    }


def build_store(root: Path, photographs: list[Path]) -> PairStore:
    """The same images as a pair store."""
    entries = [
        add_image(root, path, name=path.stem, split="train", set_name="", scale=4)
        for path in photographs
    ]
    write_index(root, entries, StoreFacts(scale=4))
    return PairStore(root)


def main(
    photographs: Annotated[
        Path | None, typer.Argument(help="folder of PNG images, 2K say; else made-up ones")
    ] = None,
    rounds: Rounds = 9,
    as_json: AsJson = False,
) -> None:
    """Print samples per second and core, and the ratio."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        files = images(root, photographs, 4)
        dataset = basicsr("data.paired_image_dataset").PairedImageDataset(
            peers_folders(root / "peer", files)
        )
        sys.modules["cv2"].setNumThreads(0)
        sampler = PatchSampler(
            build_store(root / "ours", files), patch_size=PATCH, batch_size=BATCH, seed=0
        )
        steps = iter(range(1, 10**9))

        def theirs() -> None:
            for index in torch.randint(len(dataset), (BATCH,)).tolist():
                dataset[index]

        def ours() -> None:
            sampler.batch(next(steps)).to(torch.device("cpu"))

        seconds = compare(
            f"{BATCH} pairs of patches, one core", {"BasicSR": theirs, "ours": ours}, rounds=rounds
        )
    results = {
        "machine": machine(),
        "samples_per_second": {name: round(BATCH / time) for name, time in seconds.items()},
        "times_basicsr": round(seconds["BasicSR"] / seconds["ours"], 1),
    }
    print_results(results, as_json=as_json)


if __name__ == "__main__":
    typer.run(main)
