"""Load samples to evaluate on, from the pair store or from folders of images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from esrgan_core.data.pairs import PairStore, Split
from esrgan_core.engine.evaluation import Sample
from esrgan_core.io.folder import find_images
from esrgan_core.io.geometry import crop_to_multiple
from esrgan_core.io.resize import bicubic_pair
from esrgan_core.io.rgb import read_rgb
from pipelines.config.errors import UserError
from pipelines.runtime.messages import warn


def load_samples(store: PairStore, split: Split) -> list[Sample]:
    """The pairs of a split, memory-mapped."""
    return [
        Sample(name=name, set=store.set_name(name), lr=store.lr(name), hr=store.hr(name))
        for name in store.names(split)
    ]


def match_files(hr: Path, other: Path | None) -> list[tuple[str, Path, Path | None]]:
    """Match HR files to the files of `other`; both are folders, or both are files.

    `baby.png` matches `baby.*` and, as published code names its results, `baby_*.*`.

    Returns:
        [(stem of the HR file, HR file, matching file)], sorted by name.

    Raises:
        UserError: if there are no images, or files without a match; names them.
    """
    hr_files = {path.stem: path for path in (find_images(hr, warn) if hr.is_dir() else [hr])}
    if not hr_files:
        raise UserError(f"no images in {hr}")
    if other is None:
        return [(name, path, None) for name, path in sorted(hr_files.items())]
    if other.is_file() and hr.is_file():
        return [(hr.stem, hr, other)]
    others = {path.stem: path for path in find_images(other, warn)}
    matches: dict[str, Path] = {}
    for name in hr_files:
        results = [path for stem, path in others.items() if stem.startswith(f"{name}_")]
        if name in others or len(results) == 1:
            matches[name] = others.get(name) or results[0]
    if missing := sorted(hr_files.keys() - matches.keys()):
        raise UserError(f"{other} has no image for {', '.join(missing[:5])} of {hr}")
    if unused := sorted(set(others.values()) - set(matches.values())):
        raise UserError(f"{hr} has no image for {', '.join(map(str, unused[:5]))}")
    return [(name, path, matches[name]) for name, path in sorted(hr_files.items())]


def load_sample(
    name: str, set_name: str, hr_file: Path, lr_file: Path | None, scale: int, modcrop: int
) -> Sample:
    """One pair, its HR cropped to a multiple of `modcrop`; LR is made from HR if it has no file.

    Raises:
        ValueError: if an image cannot be read or is smaller than `modcrop`.
    """
    hr = np.ascontiguousarray(crop_to_multiple(read_rgb(hr_file), modcrop))
    lr = bicubic_pair(hr, scale)[1] if lr_file is None else read_rgb(lr_file)
    return Sample(name=name, set=set_name, lr=lr, hr=hr)


def load_folder_samples(sets: Sequence[str], scale: int) -> list[Sample]:
    """The pairs of sets that are given as NAME=HR or NAME=HR,LR; LR is made if it is not given.

    Raises:
        UserError: if a set has another form, has no images, or cannot be read.
    """
    samples = []
    for given in sets:
        name, _, folders = given.partition("=")
        hr, _, lr = folders.partition(",")
        if not (name and hr):
            raise UserError(f"expected NAME=HR or NAME=HR,LR, got {given!r}")
        for stem, hr_file, lr_file in match_files(Path(hr), Path(lr) if lr else None):
            try:
                samples.append(load_sample(stem, name, hr_file, lr_file, scale, scale))
            except ValueError as error:
                raise UserError(f"{hr_file}: {error}") from error
    return samples
