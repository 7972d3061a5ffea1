"""Checks of all of params.yaml: the type of every section, then what holds between sections."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from esrgan_core.models.discriminator import SRGANDiscriminatorConfig, VGGDiscriminatorConfig
from pipelines.config.params import PARAMS, ParamsError, parse_sections
from pipelines.sources.pinned import find_pinned
from pipelines.stages.sections import Sections

FILES = (
    ("features", "weights"),
    ("srgan", "features", "weights"),
    ("sftgan", "features", "weights"),
    ("contextual", "features", "weights"),
    ("semantic_maps", "maps"),
    ("evaluate", "weight_files"),
    ("evaluate", "ma_scores"),
)
"""Parameters that name a file or a folder, or several of them by name."""


def check_params(params: dict[str, Any], path: Path = PARAMS, *, files: bool = True) -> None:
    """Check that every stage accepts its parameters.

    Args:
        params: all sections.
        path: the file that they are from, for the message.
        files: whether to check the files and folders that parameters name as well.

    Raises:
        ParamsError: lists everything that is wrong.
    """
    sections = parse_sections(Sections, params, path)
    problems = [*_patch_size_problems(params), *_metric_problems(sections)]
    problems += _file_problems(params) if files else []
    if problems:
        raise ParamsError("\n".join(f"{path}: {problem}" for problem in problems))


def file_parameters(params: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Where parameters name files and folders: (mapping, key in the mapping, dotted name)."""
    for *sections, key in FILES:
        section: Any = params
        for part in sections:
            section = section.get(part, {}) if isinstance(section, Mapping) else {}
        value = section.get(key, "") if isinstance(section, Mapping) else ""
        name = ".".join([*sections, key])
        if isinstance(value, Mapping):
            inner = cast(dict[str, Any], value)
            yield from ((inner, own, f"{name}.{own}") for own in inner if inner[own])
        elif isinstance(value, str) and value:
            yield section, key, name


def _patch_size_problems(params: dict[str, Any]) -> Iterator[str]:
    """Patch sizes that do not fit the scale, the images or the discriminator."""
    scale, least = params["scale"], params["validate"]["min_side"]
    if scale == 1 and params["download"]["lr"] == "made":
        yield "scale = 1: LR that is made from HR would be HR; set download.lr to provided"
    sides = {
        name: section["patch_size"]
        for name, section in params.items()
        if isinstance(section, Mapping) and "patch_size" in section
    }
    for name, side in sides.items():
        if side % scale:
            yield f"{name}.patch_size = {side}: must be a multiple of scale, which is {scale}"
        if side > least:
            yield (
                f"{name}.patch_size = {side}: is above validate.min_side, which is {least}, so "
                "that a image may be too small for it; lower it, or raise min_side"
            )
    discriminators = {"srgan": SRGANDiscriminatorConfig} | dict.fromkeys(
        ("finetune", "sftgan", "contextual", "ablation"), VGGDiscriminatorConfig
    )
    for name, discriminator in discriminators.items():
        try:
            last = discriminator(patch_size=sides[name]).last_side
        except ValueError as error:
            yield f"{name}.patch_size = {sides[name]}: {error}"
            continue
        if last == 1 and params[name]["batch_size"] == 1:
            yield (
                f"{name}.batch_size = 1: with patches of {sides[name]} the discriminator's last "
                "normalisation has one value per channel; take larger patches or batches"
            )


def _metric_problems(sections: Sections) -> Iterator[str]:
    """Decisions by a metric that is not measured."""
    for rule, metrics in (
        (sections.interpolate.choose, sections.evaluate.metrics),
        (sections.register, sections.evaluate.measured),
    ):
        try:
            rule.check_measured(metrics)
        except ValueError as error:
            yield str(error)


def _file_problems(params: dict[str, Any]) -> Iterator[str]:
    """Files and folders whose content does not match the hash in the parameters."""
    for section, key, name in file_parameters(params):
        try:
            find_pinned(section[key])
        except (OSError, ValueError) as error:
            yield f"{name}: {error}"
