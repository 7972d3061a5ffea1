"""Pairs to evaluate on: from the pair store, or from folders of pictures."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from esrgan_core.data.pairs import PairStore, Split
from esrgan_core.engine.evaluate import Sample
from esrgan_core.image import find_images, read_rgb
from esrgan_core.ops import crop_to_multiple


def samples_of(store: PairStore, split: Split) -> list[Sample]:
    """A split's pairs, mapped from the store; the set is the one of the manifest."""
    return [
        Sample(name=name, set=store.set_of(name), lr=store.lr(name), hr=store.hr(name))
        for name in store.names(split)
    ]


def samples_in(hr_folder: Path, lr_folder: Path, scale: int) -> Iterator[Sample]:
    """Pairs of two folders, matched by file name without suffix; the set is the HR folder's name.

    Raises:
        ValueError: if there are no pictures, or some have no partner; names them.
    """
    hr_files = {path.stem: path for path in find_images(hr_folder)}
    lr_files = {path.stem: path for path in find_images(lr_folder)}
    if not hr_files:
        raise ValueError(f"no pictures in {hr_folder}")
    if alone := hr_files.keys() ^ lr_files.keys():
        raise ValueError(f"{hr_folder} and {lr_folder} differ in {sorted(alone)[:5]}")
    parent = hr_folder.resolve()
    set_name = parent.parent.name if parent.name.lower() in ("hr", "gt") else parent.name
    for stem, path in sorted(hr_files.items()):
        hr = np.ascontiguousarray(crop_to_multiple(read_rgb(path), scale))
        yield Sample(name=stem, set=set_name, lr=read_rgb(lr_files[stem]), hr=hr)
