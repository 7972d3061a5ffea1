"""Low-resolution versions of a folder of HR images."""

from functools import partial
from pathlib import Path

from esrgan_core.io.decoding import reason
from esrgan_core.io.folder import find_images
from esrgan_core.io.geometry import crop_to_multiple
from esrgan_core.io.resize import CONVENTIONS, Convention, bicubic_pair
from esrgan_core.io.rgb import read_rgb, write_png
from pipelines.config.errors import UserError
from pipelines.runtime.messages import warn
from pipelines.runtime.parallel import in_parallel
from pipelines.runtime.progress import track


def downscale_folder(
    source: Path, output: Path, scale: int, modcrop: int, convention: str
) -> list[str]:
    """Downscale one image, or all images below a folder, which keep their tree and names.

    HR is cropped to a multiple of `modcrop`. Returns the images that cannot be used, with reasons.

    Raises:
        UserError: if there are no images, two have the same name, or the convention is unknown.
    """
    if convention not in CONVENTIONS:
        raise UserError(f"no convention {convention!r}; choose from {', '.join(CONVENTIONS)}")
    if source.is_dir():
        files = find_images(source, warn)
        targets = [output / path.relative_to(source).with_suffix(".png") for path in files]
    else:
        files, targets = [source], [output]
    if not files:
        raise UserError(f"no images in {source}")
    if len(set(targets)) < len(targets):
        raise UserError(f"{source} has images whose names differ only in the suffix; rename them")
    downscale = partial(_downscale, scale=scale, modcrop=modcrop, convention=convention)
    results = in_parallel(downscale, list(zip(files, targets, strict=True)))
    problems = track("lr", results, [path.name for path in files])
    return [f"{path}: {problem}" for path, problem in zip(files, problems, strict=True) if problem]


def _downscale(paths: tuple[Path, Path], scale: int, modcrop: int, convention: Convention) -> str:
    """The problem of an image; empty if there is none."""
    source, target = paths
    try:
        hr = crop_to_multiple(read_rgb(source), modcrop)
        write_png(target, bicubic_pair(hr, scale, convention)[1])
    except Exception as error:
        return reason(error)
    return ""
