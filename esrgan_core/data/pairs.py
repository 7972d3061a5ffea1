"""The pair store: HR and LR images as raw arrays, read by memory map.

    hr/<name>.npy, lr/<name>.npy   uint8, height x width x 3
    index.parquet                  name, split, set, sha256 of both files, height, width of HR
    store.json                     version, scale, resize convention

A name is the path of an image in the image folder, without suffix (`test/set5/baby`).
"""

from collections import Counter
from dataclasses import dataclass
from io import BytesIO
from operator import attrgetter
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from esrgan_core.files import atomic_path, file_sha256, write_text
from esrgan_core.io.geometry import crop_to_multiple
from esrgan_core.io.resize import bicubic_pair
from esrgan_core.io.rgb import Pixels, read_rgb
from esrgan_core.records import from_fields, record_hash, to_fields
from esrgan_core.strict_json import from_json, to_json

VERSION = 1
Split = Literal["train", "val", "test"]


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreFacts:
    """Properties of all pairs of a store."""

    scale: int
    convention: str = "matlab_double"
    """LR in double precision, rounded once; `supplied` if LR was provided."""
    version: int = VERSION


@dataclass(frozen=True, kw_only=True, slots=True)
class PairEntry:
    """A row of the index."""

    name: str
    split: str
    set: str
    hr_sha256: str
    lr_sha256: str
    height: int
    width: int


def add_image(
    root: Path,
    source: Path | BytesIO,
    *,
    name: str,
    split: str,
    set_name: str,
    scale: int,
    lr: Path | BytesIO | None = None,
) -> PairEntry:
    """Write one image's HR and LR arrays.

    Args:
        root: the store.
        source: the HR image's file.
        name: the image's name in the store.
        split: of the image.
        set_name: of the image.
        scale: of the pair.
        lr: the LR image's file; None to downscale the whole HR.

    Raises:
        ValueError: if an image cannot be read, or LR does not have the size of HR divided by
            `scale`.
    """
    if lr is None:
        hr_pixels, lr_pixels = bicubic_pair(read_rgb(source), scale)
    else:
        hr_pixels, lr_pixels = crop_to_multiple(read_rgb(source), scale), read_rgb(lr)
        height, width = hr_pixels.shape[0] // scale, hr_pixels.shape[1] // scale
        if lr_pixels.shape[:2] != (height, width):
            raise ValueError(
                f"its LR has {lr_pixels.shape[1]}x{lr_pixels.shape[0]} pixels, not {width}x{height}"
            )
    digests = []
    for kind, pixels in (("hr", hr_pixels), ("lr", lr_pixels)):
        target = root / kind / f"{name}.npy"
        with atomic_path(target) as temporary:
            np.save(temporary, np.ascontiguousarray(pixels))
        digests.append(file_sha256(target))
    height, width = hr_pixels.shape[:2]
    return PairEntry(
        name=name,
        split=split,
        set=set_name,
        hr_sha256=digests[0],
        lr_sha256=digests[1],
        height=height,
        width=width,
    )


def write_index(root: Path, entries: list[PairEntry], facts: StoreFacts) -> None:
    """Write `store.json` and the index, which complete a store; the index last.

    Raises:
        ValueError: if two entries have the same name, and so the same array.
    """
    if twice := [name for name, count in Counter(e.name for e in entries).items() if count > 1]:
        raise ValueError(f"several images have the name {', '.join(twice)}")
    write_text(root / "store.json", to_json(to_fields(facts), indent=2) + "\n")
    rows = [to_fields(entry) for entry in sorted(entries, key=attrgetter("name"))]
    with atomic_path(root / "index.parquet") as temporary:
        parquet.write_table(pa.Table.from_pylist(rows), temporary)


class PairStore:
    """Read access to a pair store; `entries` are sorted by name, arrays are memory-mapped."""

    def __init__(self, root: Path) -> None:
        """Open the store at `root`.

        Raises:
            FileNotFoundError: if there is none.
            ValueError: if another version of this code wrote it.
        """
        self.root = root
        if not (root / "index.parquet").is_file():
            raise FileNotFoundError(f"no pair store at {root}; run the bicubic stage")
        facts = from_json((root / "store.json").read_text(encoding="utf-8"))
        if facts["version"] != VERSION:
            raise ValueError(f"{root} has version {facts['version']}, this code reads {VERSION}")
        self.facts = from_fields(StoreFacts, facts)
        rows = parquet.read_table(root / "index.parquet").to_pylist()
        entries = (from_fields(PairEntry, row) for row in rows)
        self.entries = sorted(entries, key=attrgetter("name"))
        self._sets = {entry.name: entry.set for entry in self.entries}

    def content_hash(self, *splits: Split) -> str:
        """SHA-256 of the pairs of splits and of the scale.

        The bytes of the index do not count: a Parquet file names the program that wrote it.
        """
        rows = [list(to_fields(one).values()) for one in self.entries if one.split in splits]
        return record_hash([self.facts, rows])

    def names(self, split: Split) -> list[str]:
        """Names of a split's images, sorted."""
        return [entry.name for entry in self.entries if entry.split == split]

    def set_name(self, name: str) -> str:
        """The set (Set5, ...) of an image."""
        return self._sets[name]

    def hr(self, name: str) -> Pixels:
        """The HR image, memory-mapped."""
        return np.load(self.root / "hr" / f"{name}.npy", mmap_mode="r")

    def lr(self, name: str) -> Pixels:
        """The LR image, memory-mapped."""
        return np.load(self.root / "lr" / f"{name}.npy", mmap_mode="r")
