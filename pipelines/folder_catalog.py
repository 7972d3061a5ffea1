"""A catalog of anybody's pictures, made of the folder that they lie in."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from esrgan_core.image import BadImageError, find_images, survey
from pipelines.catalog import SPLITS, Entry, insist_on_places, write_rows
from pipelines.data_folder import entries_of_folder
from pipelines.parallel import in_parallel
from pipelines.progress import progress

PIRM = {
    "split": "test",
    "set": "pirm",
    "license": "academic research only",
    "citation": "Blau et al., The 2018 PIRM Challenge on Perceptual Image Super-Resolution, "
    "ECCVW 2018",
}
PIRM_NAMES = {str(number) for number in range(1, 101)}


def catalog_folder(
    folder: Path, output: Path, words: Mapping[str, str], *, scale: int, skip_bad: bool
) -> tuple[int, list[str]]:
    """Write a catalog of the pictures in `folder`, if all are good or bad ones may be skipped.

    Args:
        folder: searched with all folders in it.
        output: the CSV file.
        words: what holds for all: split, set, license, citation; else by folders or content.
        scale: of supplied LR whose name does not say it.
        skip_bad: whether bad pictures are left out.

    Returns:
        How many pictures it lists, 0 if it is not written, and what is wrong with bad ones.

    Raises:
        ValueError: if there is no folder, no picture, or no such split.
    """
    if not folder.is_dir():
        raise ValueError(f"no folder {folder}")
    if (split := words.get("split")) and split not in SPLITS:
        raise ValueError(f"split is {split!r}, not one of {', '.join(SPLITS)}")
    pictures = find_images(folder.absolute())
    if not pictures:
        raise ValueError(f"no pictures in {folder}")
    bad: dict[Path, str] = {}
    with progress("catalog", len(pictures)) as advance:
        for number, problem in enumerate(in_parallel(problem_of, pictures), start=1):
            path = pictures[number - 1]
            if problem:
                bad[path] = problem
            advance(number, path.name)
    lines = [f"{path}: {problem}" for path, problem in bad.items()]
    if bad and not skip_bad:
        return 0, lines
    good = [path for path in pictures if path not in bad]
    if {path.stem for path in good} == PIRM_NAMES:
        print("recognized as PIRM's self-validation set: pictures 1 to 100", file=sys.stderr)
        words = PIRM | dict(words)
    if not good:
        return 0, lines
    given: dict[str, Any] = dict(words)
    split = given.pop("split", "")
    found = entries_of_folder(folder.absolute(), good, split=split, scale=scale)
    entries = [replace(entry, **given) for entry in found]
    insist_on_places(entries)
    write_rows(output, [_row(entry) for entry in entries])
    return len(entries), lines


def problem_of(path: Path) -> str:
    """What is wrong with a picture; "" if nothing is."""
    try:
        survey(path)
    except (BadImageError, OSError) as error:
        return str(error)
    return ""


def _row(entry: Entry) -> dict[str, str]:
    return {
        "name": entry.name,
        "split": entry.split,
        "set": entry.set,
        "uri": entry.source.uri,
        "bytes": str(entry.source.expected.bytes),
        "sha256": entry.source.expected.sha256,
        "license": entry.license,
        "origin": entry.origin,
        "kind": "" if entry.kind == "hr" else entry.kind,
        "citation": entry.citation,
    }
