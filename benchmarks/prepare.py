"""Preparation of 2K images for training, per second on one core: ours and BasicSR's.

BasicSR makes LR with its port of MATLAB's imresize, cuts both images into sub-images (480 pixels
every 240, a quarter of that for LR) and writes each as PNG of compression 3. Ours makes LR exactly
and writes both images as arrays, hashed and synced, so that a kill loses nothing. Both read the
same PNG files on one thread.
"""

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from benchmarks.metrics import images
from benchmarks.peers import basicsr
from benchmarks.timing import AsJson, Rounds, compare, machine, print_results
from esrgan_core.files import file_sha256
from pipelines.data.manifest import ManifestRow
from pipelines.data.pair_cache import PairTask, prepare_pair

SIZE, STEP, SCALE = 480, 240, 4
DF2K = 3450
CORES = 16


def cut_as_basicsr(image: Any, folder: Path, size: int, step: int, write: Any) -> None:
    """Sub-images from the top left, and a last one in each direction if pixels are left."""

    def starts(side: int) -> list[int]:
        found = list(range(0, side - size + 1, step))
        return [*found, side - size] if side - (found[-1] + size) > 0 else found

    folder.mkdir(parents=True)
    number = 0
    for top in starts(image.shape[0]):
        for left in starts(image.shape[1]):
            number += 1
            write(str(folder / f"s{number:03}.png"), image[top : top + size, left : left + size])


def prepare_as_basicsr(files: list[Path], folder: Path, imresize: Any, cv2: Any) -> None:
    """LR by BasicSR's imresize; sub-images of both as PNG."""

    def write(path: str, image: Any) -> None:
        cv2.imwrite(path, image, [cv2.IMWRITE_PNG_COMPRESSION, 3])

    for path in files:
        hr = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        hr = hr[: hr.shape[0] // SCALE * SCALE, : hr.shape[1] // SCALE * SCALE]
        lr = imresize(hr / 255.0, 1 / SCALE)
        lr = (lr.clip(0, 1) * 255).round().astype(np.uint8)
        cut_as_basicsr(hr, folder / "hr" / path.stem, SIZE, STEP, write)
        cut_as_basicsr(lr, folder / "lr" / path.stem, SIZE // SCALE, STEP // SCALE, write)


def prepare_ours(digests: Mapping[Path, str], folder: Path) -> None:
    """Both images as arrays; `digests` has the SHA-256 of each file."""
    for path, digest in digests.items():
        row = ManifestRow(
            path=path.name, kind="hr", split="train", set="own", width=0, height=0, mode="RGB",
            sha256=digest, license="", origin="", citation="",
        )  # fmt: skip
        task = PairTask(hr=row, lr=None, scale=SCALE, images=path.parent, folder=folder)
        assert not isinstance(prepare_pair(task), str)


def main(
    photographs: Annotated[
        Path | None, typer.Argument(help="folder of PNG images of about 2K; else synthetic ones")
    ] = None,
    rounds: Rounds = 3,
    as_json: AsJson = False,
) -> None:
    """Print images per second and core, the ratio, and the time for DF2K on 16 cores."""
    torch.set_num_threads(1)
    imresize = basicsr("utils.matlab_functions").imresize
    cv2 = sys.modules.get("cv2") or __import__("cv2")
    cv2.setNumThreads(0)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        files = images(root, photographs, 2)
        digests = {path: file_sha256(path) for path in files}

        def theirs() -> None:
            with tempfile.TemporaryDirectory(dir=root) as folder:
                prepare_as_basicsr(files, Path(folder), imresize, cv2)

        def ours() -> None:
            with tempfile.TemporaryDirectory(dir=root) as folder:
                prepare_ours(digests, Path(folder))

        seconds = compare(
            f"{len(files)} images prepared, one core",
            {"BasicSR": theirs, "ours": ours},
            rounds=rounds,
        )
    each = {name: len(files) / time for name, time in seconds.items()}
    results = {
        "machine": machine(),
        "images": str(photographs) if photographs else "2040x1356, made up",
        "pictures_per_second_and_core": {name: round(pace, 3) for name, pace in each.items()},
        "times_basicsr": round(each["ours"] / each["BasicSR"], 1),
        f"minutes_for_{DF2K}_on_{CORES}_cores": round(DF2K / each["ours"] / CORES / 60, 2),
    }
    print_results(results, as_json=as_json)


if __name__ == "__main__":
    typer.run(main)
