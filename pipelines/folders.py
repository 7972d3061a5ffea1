"""Test sets that lie in folders, and weights that are named on the command line."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from esrgan_core.engine.evaluate import Sample
from pipelines.samples import matched, sample_of


def folder_samples(sets: Sequence[str], scale: int) -> list[Sample]:
    """The pairs of sets given as NAME=HR or NAME=HR,LR; LR is made where it is not given.

    Raises:
        ValueError: if one is not given so, has no pictures, or cannot be read.
    """
    found = []
    for given in sets:
        name, equals, folders = given.partition("=")
        hr, _, lr = folders.partition(",")
        if not (name and equals and hr):
            raise ValueError(f"{given!r} is neither NAME=HR nor NAME=HR,LR")
        for stem, hr_file, lr_file in matched(Path(hr), Path(lr) if lr else None):
            sample = sample_of(stem, Path(hr), hr_file, lr_file, scale, scale)
            found.append(replace(sample, set=name))
    return found
