"""Images per second of many small images: this build and another, in turns.

By `esrgan upscale`, and by the batch of the flow `upscale/images` with a process per core.
`--other` names a checkout of another build that has a `.venv` of its own.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.inference import network, sample_image
from benchmarks.timing import AsJson, Rounds, compare, machine, print_results
from esrgan_core.io.rgb import write_png
from esrgan_core.models.weights import save_weights

ROOT = Path(__file__).parents[1]
SIDE = 48
SOURCE = 256
"""Side of the photograph of which the images are crops."""
BATCH = """
from pipelines.upscaling.batches import Batch, upscale_batch
if __name__ == "__main__":
    list(upscale_batch(Batch(source="in", target="out", model="network.safetensors")))
"""


def main(
    other: Annotated[
        Path | None, typer.Option(help="checkout of another build, with its .venv")
    ] = None,
    images: Annotated[int, typer.Option(help="number of images")] = 1000,
    rounds: Rounds = 1,
    as_json: AsJson = False,
) -> None:
    """Print images per second of each build, and how many times faster this one is."""
    builds = {**({"other": other.resolve()} if other else {}), "this": ROOT}
    upscale = ["esrgan", "upscale", "in", "--output=out", "--model=network.safetensors"]
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _prepare(folder, images)
        for title, words in {
            "esrgan upscale": upscale,
            "batch": ["python", str(folder / "batch.py")],
        }.items():
            tasks = {one: _task(build, words, folder) for one, build in builds.items()}
            seconds = compare(title, tasks, rounds=rounds)
            results[title] = {
                "images_per_second": {one: round(images / t, 2) for one, t in seconds.items()}
            }
            if other:
                results[title]["times_faster"] = round(seconds["other"] / seconds["this"], 3)
    content = {"machine": machine(), "images": f"{images} of {SIDE}x{SIDE}", "results": results}
    print_results(content, as_json=as_json)


def _prepare(folder: Path, count: int) -> None:
    """Write the images, the sample's network and the program of the batch."""
    photo, places = sample_image(SOURCE), SOURCE - SIDE
    for number in range(count):
        top, left = number * 37 % places, number * 53 % places
        crop = photo[top : top + SIDE, left : left + SIDE].copy()
        write_png(folder / "in" / f"{number:05}.png", crop)
    found = network("sample")
    save_weights(folder / "network.safetensors", found.state_dict(), found.config, {})
    (folder / "batch.py").write_text(BATCH, encoding="utf-8")


def _task(build: Path, words: Sequence[str], folder: Path) -> Callable[[], None]:
    scripts = build / ".venv" / "bin"

    def run() -> None:
        shutil.rmtree(folder / "out", ignore_errors=True)
        subprocess.run(
            [scripts / words[0], *words[1:]],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(build)},
            capture_output=True,
            check=True,
        )

    return run


if __name__ == "__main__":
    typer.run(main)
