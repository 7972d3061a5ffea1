"""Fetch the pictures that `data/` names or holds, check each, and list them in a manifest."""

import shutil
from dataclasses import dataclass, field

from pipelines.catalog import entries_in
from pipelines.images import fetch_all, write_manifest
from pipelines.launch import launch
from pipelines.paths import DATA, IMAGES, MANIFEST


@dataclass(frozen=True, kw_only=True, slots=True)
class DownloadConfig:
    """Section `download`."""

    catalogs: list[str] = field(default_factory=list)
    """Catalogs in `data/` by name; not looked at where `data/` holds pictures."""

    def __post_init__(self) -> None:
        """Refuse a catalog named twice."""
        if len(set(self.catalogs)) < len(self.catalogs):
            raise ValueError(f"catalogs names one twice: {self.catalogs}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """What this stage reads of params.yaml."""

    download: DownloadConfig


def run(params: Params) -> None:
    """Leave `artifacts/images/` with a manifest, or complain of every bad picture."""
    entries = entries_in(DATA, params.download.catalogs)
    # an earlier run's pictures must not stay among these
    shutil.rmtree(IMAGES, ignore_errors=True)
    rows = fetch_all(entries, IMAGES)
    write_manifest(MANIFEST, rows)
    counts = {split: sum(row.split == split for row in rows) for split in ("train", "val", "test")}
    print(f"{len(rows)} pictures: {counts}")


if __name__ == "__main__":
    launch("download", Params, run)
