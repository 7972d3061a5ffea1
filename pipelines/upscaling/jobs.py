"""The images to upscale and the paths of their results."""

import glob
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Literal, NamedTuple

from esrgan_core.io.decoded_image import SUFFIX_FORMATS, Format
from esrgan_core.io.folder import SUFFIXES, Report, find_images, is_broken, report_left_out
from pipelines.config.errors import UserError
from pipelines.runtime.messages import warn
from pipelines.upscaling.recorded import split_results

STANDARD = "-"
"""Standard input or output as a path."""
NOT_READ = {".dng", ".eps", ".exr", ".hdr", ".heic", ".heif", ".jxl", ".pdf", ".svg"}
"""Suffixes that also name an image, not a folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """How results are written."""

    format: Format | None = None
    """None for the format of the source, or PNG where that cannot be written."""
    quality: int | None = None
    strip_metadata: bool = False

    def format_for(self, name: str) -> Format:
        """The format of the result of a file with this name."""
        return self.format or SUFFIX_FORMATS.get(Path(name).suffix.lower(), "png")

    def suffix_for(self, source: Path) -> str:
        """The suffix of a result: that of the source where it fits the format, as `jpeg`."""
        own, format_ = source.suffix.lower(), self.format_for(source.name)
        return own if SUFFIX_FORMATS.get(own) == format_ else f".{format_}"


class Job(NamedTuple):
    """An image and the path of its result."""

    source: Path
    target: Path


class Outcome(NamedTuple):
    """The result of one job."""

    source: str
    target: str
    state: Literal["done", "skipped", "failed"]
    message: str = ""
    """The reason of the failure, or the changes that the format required."""


def find_jobs(
    inputs: Sequence[str], target: Path, output: Output, report: Report = warn
) -> list[Job]:
    """Find the images of files, folders (searched recursively) and patterns.

    The result of a single image is written to `target` if that has the suffix of an image or is
    `-`, standard output. Otherwise results are written below `target`, where folders keep their
    tree. Results that would have the same name keep the suffixes of their sources. `report` gets
    a line for what is left out: other files, and results of this and earlier runs.

    Raises:
        UserError: if an input matches no image, a result would overwrite its source or another
            result or cannot be written, or several images are given with a pipe or the path of a
            file.
    """
    if STANDARD in (*inputs, str(target)):
        if len(inputs) != 1:
            raise UserError("with - as input or -o, give exactly one image")
        if str(target) != STANDARD:
            _check_format(target, output)
        return [Job(Path(inputs[0]), target)]
    found = [pair for pattern in inputs for pair in _find_images(pattern, target, report)]
    if not found:
        raise UserError(f"{', '.join(inputs)} contains no images except results of esrgan")
    if names_file(target):
        if len(found) > 1:
            raise UserError(f"{target} names one image, of {len(found)} to write; give a folder")
        _check_format(target, output)
        jobs = [Job(found[0][0], target)]
    else:
        results = result_paths([path for _, path in found], output)
        jobs = [
            Job(source, target / result) for (source, _), result in zip(found, results, strict=True)
        ]
    _check_targets(jobs)
    return list(dict.fromkeys(jobs))


def result_paths(paths: Sequence[Path], output: Output) -> list[Path]:
    """The paths of results below the output, from the paths of their sources below the input.

    >>> [str(path) for path in result_paths([Path("a.jpg"), Path("a.bmp")], Output())]
    ['a.jpg', 'a.png']
    """
    results = [path.with_suffix(output.suffix_for(path)) for path in paths]
    counts = Counter(results)
    return [
        result if counts[result] == 1 else path.with_name(path.name + result.suffix)
        for path, result in zip(paths, results, strict=True)
    ]


def names_file(target: Path) -> bool:
    """Whether a path is that of an image, not of a folder."""
    return target.suffix.lower() in SUFFIXES | NOT_READ and not target.is_dir()


def _find_images(pattern: str, target: Path, report: Report) -> list[tuple[Path, Path]]:
    """(image, its path below the input) of every image of one input, except for results."""
    path = Path(pattern)
    if path.is_file():
        return [(path, Path(path.name))]
    if path.is_dir():
        root, images = path, find_images(path, report)
    else:
        matches = list(map(Path, sorted(glob.glob(pattern, recursive=True))))  # noqa: PTH207  it may be absolute
        broken = list(filter(is_broken, matches))
        report_left_out(report, broken, "a broken link")
        images = [match for match in matches if match not in broken and match.is_file()]
        fixed = takewhile(lambda part: not glob.has_magic(part), path.parts[:-1])
        root = Path(*fixed)
    if not images:
        problem = "contains no images" if path.is_dir() else "matches no file or folder"
        raise UserError(f"{pattern} {problem}")
    sources, own, earlier = split_results(images, root, target)
    report_left_out(report, own, f"in the output folder {target}")
    report_left_out(report, earlier, "a result of esrgan")
    return [
        (source, source.relative_to(root) if path.is_dir() else Path(source.name))
        for source in sources
    ]


def _check_targets(jobs: Sequence[Job]) -> None:
    sources: dict[Path, Path] = {}
    for job in jobs:
        if job.source.resolve() == job.target.resolve():
            raise UserError(f"{job.source} would be overwritten; give another -o")
        if (other := sources.setdefault(job.target, job.source)) != job.source:
            raise UserError(
                f"{other} and {job.source} would both be written to {job.target}; give the folder "
                "that contains both, whose tree is kept"
            )


def _check_format(target: Path, output: Output) -> None:
    if (format_ := SUFFIX_FORMATS.get(target.suffix.lower())) is None:
        raise UserError(f"{target}: unknown format; choose from {', '.join(SUFFIX_FORMATS)}")
    if output.format not in (None, format_):
        raise UserError(f"{target} does not fit --format {output.format}; change one of them")
