"""Pairs to evaluate on: from the pair store, or from folders of images."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from esrgan_core.data.pairs import PairStore, Split
from esrgan_core.engine.evaluation import Sample
from esrgan_core.io.geometry import crop_to_multiple
from esrgan_core.io.resize import bicubic_pair
from esrgan_core.io.rgb import find_images, read_rgb


def samples_of(store: PairStore, split: Split) -> list[Sample]:
    """A split's pairs, mapped from the store; the set is the one of the manifest."""
    return [
        Sample(name=name, set=store.set_of(name), lr=store.lr(name), hr=store.hr(name))
        for name in store.names(split)
    ]


def matched(hr: Path, other: Path | None) -> list[tuple[str, Path, Path | None]]:
    """(name, HR file, its partner's file) of two folders or two files, sorted by name.

    The name is the file's, without suffix and, for results of published code, without what
    follows the HR's name after an underscore: `baby_ESRGAN.png` belongs to `baby.png`.

    Raises:
        ValueError: if there are no images, or some have no partner; names them.
    """
    hr_files = {path.stem: path for path in (find_images(hr) if hr.is_dir() else [hr])}
    if not hr_files:
        raise ValueError(f"no images in {hr}")
    if other is None:
        return [(name, path, None) for name, path in sorted(hr_files.items())]
    if other.is_file() and hr.is_file():
        return [(hr.stem, hr, other)]
    others = {path.stem: path for path in find_images(other)}
    partners = {name: others.get(name) or _suffixed(name, others) for name in hr_files}
    if alone := sorted(name for name, path in partners.items() if path is None):
        raise ValueError(f"{other} has nothing for {', '.join(alone[:5])} of {hr}")
    if left := sorted(set(others.values()) - set(partners.values())):
        raise ValueError(f"{hr} has nothing for {', '.join(str(path) for path in left[:5])}")
    return [(name, path, partners[name]) for name, path in sorted(hr_files.items())]


def _suffixed(name: str, others: Mapping[str, Path]) -> Path | None:
    found = [path for stem, path in others.items() if stem.startswith(f"{name}_")]
    return found[0] if len(found) == 1 else None


def sample_of(
    name: str, folder: Path, hr_file: Path, lr_file: Path | None, scale: int, modcrop: int
) -> Sample:
    """One pair; LR is made from HR where there is no file of it.

    Raises:
        ValueError: if a image cannot be read or is smaller than `modcrop`.
    """
    parent = (folder if folder.is_dir() else folder.parent).resolve()
    set_name = parent.parent.name if parent.name.lower() in ("hr", "gt") else parent.name
    hr = np.ascontiguousarray(crop_to_multiple(read_rgb(hr_file), modcrop))
    lr = bicubic_pair(hr, scale)[1] if lr_file is None else read_rgb(lr_file)
    return Sample(name=name, set=set_name, lr=lr, hr=hr)


def folder_samples(sets: Sequence[str], scale: int) -> list[Sample]:
    """The pairs of sets given as NAME=HR or NAME=HR,LR; LR is made where it is not given.

    Raises:
        ValueError: if one is not given so, has no images, or cannot be read.
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
