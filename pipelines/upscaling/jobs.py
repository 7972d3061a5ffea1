"""Which images there are, and where their results go."""

import glob
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from esrgan_core.io.decoded import SUFFIX_FORMATS, Format
from esrgan_core.io.rgb import SUFFIXES, find_images

STANDARD = "-"
"""Standard input or output as a path."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """How results are written."""

    format: Format | None = None
    """None for the one of the source, PNG where that cannot be written."""
    quality: int | None = None
    strip_metadata: bool = False

    def format_for(self, source: str) -> Format:
        """The format of what becomes of a file of this name."""
        return self.format or SUFFIX_FORMATS.get(Path(source).suffix.lower(), "png")

    def suffix_for(self, source: Path) -> str:
        """The suffix of what becomes of a file: its own where that says the same."""
        own, format_ = source.suffix.lower().lstrip("."), self.format_for(source.name)
        return own if SUFFIX_FORMATS.get(f".{own}") == format_ else format_


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A image and where its result goes."""

    source: Path
    target: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of a image."""

    source: str
    target: str
    state: Literal["done", "skipped", "failed"]
    words: str = ""
    """Why it failed, or what had to be changed."""


def find_jobs(inputs: Sequence[str], target: Path, output: Output) -> list[Job]:
    """What there is to do: files as they are named, folders with all below, patterns.

    One file goes to `target` if that has the suffix of a image; all else goes below it, folders
    with their tree. Where two results would have one name, they keep their sources' suffixes.

    Raises:
        FileNotFoundError: if an input matches nothing.
        ValueError: if a result would take the place of its source or of another result, or
            cannot be written.
    """
    found = [pair for given in inputs for pair in _found(given, target)]
    if len(found) == 1 and target.suffix.lower() in SUFFIXES and not target.is_dir():
        check_format(target, output)
        jobs = [Job(source=found[0][0], target=target)]
    else:
        places = places_of_results([place for _, place in found], output)
        jobs = [
            Job(source=source, target=target / place)
            for (source, _), place in zip(found, places, strict=True)
        ]
    _check_unique_targets(jobs)
    return list(dict.fromkeys(jobs))


def places_of_results(places: Sequence[Path], output: Output) -> list[Path]:
    """Where results go, by their sources' places below an input.

    >>> [str(path) for path in places_of_results([Path("a.jpg"), Path("a.bmp")], Output())]
    ['a.jpg', 'a.png']
    """
    results = [place.with_suffix(f".{output.suffix_for(place)}") for place in places]
    counts = Counter(results)
    return [
        result if counts[result] == 1 else place.with_name(place.name + result.suffix)
        for place, result in zip(places, results, strict=True)
    ]


def _found(given: str, target: Path) -> list[tuple[Path, Path]]:
    """Images of an input and their places below the output, in which none is looked for."""
    path = Path(given)
    if path.is_file():
        return [(path, Path(path.name))]
    if path.is_dir():
        own = target.resolve()
        images = [one for one in find_images(path) if not one.resolve().is_relative_to(own)]
        found = [(one, one.relative_to(path)) for one in images]
        missing = "has no images"
    else:
        matching = [Path(one) for one in sorted(glob.glob(given, recursive=True))]  # noqa: PTH207  it may be absolute
        found = [(one, Path(one.name)) for one in matching if one.is_file()]
        missing = "is no file or folder, and matches none"
    if not found:
        raise FileNotFoundError(f"{given} {missing}")
    return found


def _check_unique_targets(jobs: Sequence[Job]) -> None:
    sources: dict[Path, Path] = {}
    for job in jobs:
        if job.source.resolve() == job.target.resolve():
            raise ValueError(f"{job.source} would be overwritten; give another -o")
        if (other := sources.setdefault(job.target, job.source)) != job.source:
            raise ValueError(
                f"{other} and {job.source} would both become {job.target}; give the folder that "
                "both are in, whose tree is kept"
            )


def check_format(target: Path, output: Output) -> None:
    """Refuse a file whose suffix is not of the format that it would have.

    Raises:
        ValueError: naming both.
    """
    wanted = SUFFIX_FORMATS.get(target.suffix.lower())
    if wanted is None:
        known = ", ".join(SUFFIX_FORMATS)
        raise ValueError(f"{target}: no such format can be written; there are {known}")
    if output.format not in (None, wanted):
        raise ValueError(f"{target} would be a {output.format}; give it that suffix")
