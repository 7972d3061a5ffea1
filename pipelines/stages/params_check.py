"""Changes of params.yaml, and checks of it as a whole: types, relations, and named files."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from esrgan_core.models.configs import (
    GeneratorConfig,
    RRDBNetConfig,
    SFTNetConfig,
    SRCNNConfig,
    SRGANDiscriminatorConfig,
    SRResNetConfig,
    VGGDiscriminatorConfig,
)
from pipelines.config.errors import UserError
from pipelines.config.params import (
    PARAMS,
    ParamsError,
    apply_profile,
    parse_assignments,
    parse_sections,
    read_yaml,
    update_params,
    write_yaml,
)
from pipelines.evaluation.start import (
    check_scale,
    check_shape,
    find_generator,
    load_start,
    pin_start,
)
from pipelines.sources.pinned import find_pinned, pin
from pipelines.stages.sections import Sections

ADVERSARIAL = ("finetune", "srgan", "sftgan", "contextual")
STARTED: Mapping[str, type[GeneratorConfig]] = {
    "pretrain": RRDBNetConfig,
    "finetune": RRDBNetConfig,
    "srcnn": SRCNNConfig,
    "srresnet": SRResNetConfig,
    "srgan": SRResNetConfig,
    "sftnet": SFTNetConfig,
    "sftgan": SFTNetConfig,
    "contextual": RRDBNetConfig,
}
"""Trainings that can start from a network, and its kind."""
FILES = (
    *(f"{training}.start" for training in STARTED),
    *(f"{training}.discriminator_start" for training in ADVERSARIAL),
    "features.weights",
    "srgan.features.weights",
    "sftgan.features.weights",
    "contextual.features.weights",
    "semantic_maps.maps",
    "evaluate.weight_files",
    "evaluate.ma_scores",
)
"""Parameters that name a file, a folder, or a mapping of files."""


def write_params(profile: str = "", set_: Sequence[str] = (), output: Path = PARAMS) -> None:
    """Write a profile, KEY=VALUE assignments and hashes of named files into a parameter file.

    A ParamsError if a stage does not accept it; the file is then not changed.
    """
    params = read_yaml(output)
    if profile:
        apply_profile(params, profile)
    update_params(params, parse_assignments(set_))
    for section, key, name in _file_parameters(params):
        try:
            section[key] = (pin_start if key == "start" else pin)(section[key])
        except (OSError, ValueError) as error:
            raise ParamsError(f"{output}: {name}: {error}") from error
    check_params(params, output)
    write_yaml(output, params)


def check_params(params: dict[str, Any], path: Path = PARAMS, *, files: bool = True) -> None:
    """Check all sections, and the files that they name; a ParamsError lists all problems."""
    sections = parse_sections(Sections, params, path)
    problems = list(_patch_size_problems(params))
    for rule, metrics in (
        (sections.interpolate.choose, sections.evaluate.metrics),
        (sections.register, sections.evaluate.measured),
    ):
        try:
            rule.check_measured(metrics)
        except ValueError as error:
            problems.append(str(error))
    for section, key, name in _file_parameters(params) if files else ():
        if key == "start":
            continue  # checked below, with its content
        try:
            find_pinned(section[key])
        except (OSError, ValueError) as error:
            problems.append(f"{name}: {error}")
    problems += _start_problems(sections) if files else ()
    if problems:
        raise ParamsError("\n".join(f"{path}: {problem}" for problem in problems))


def _start_problems(sections: Sections) -> Iterator[str]:
    """Yield a message for every network to start from that cannot be used."""
    for stage, kind in STARTED.items():
        value: str = getattr(sections, stage).start
        try:
            if value:
                start = load_start(f"{stage}.start", value, kind).config
                if stage in ADVERSARIAL:
                    check_scale(stage, start, sections.scale)
            if stage == "pretrain":
                generator = find_generator(sections.generator, value, sections.scale)
                if value:
                    check_shape("pretrain.start", start, "generator", generator)
        except UserError as error:
            yield str(error)


def _file_parameters(params: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Yield (mapping, key, dotted name) of every parameter that names a file or a folder."""
    for name in FILES:
        *sections, key = name.split(".")
        section = params
        for part in sections:
            section = inner if isinstance(inner := section.get(part), dict) else {}
        match section.get(key):
            case dict() as files:
                yield from ((files, own, f"{name}.{own}") for own in files if files[own])
            case str() as value if value:
                yield section, key, name


def _patch_size_problems(params: dict[str, Any]) -> Iterator[str]:
    scale, least = params["scale"], params["validate"]["min_side"]
    if scale == 1 and params["download"]["lr"] == "made":
        yield "scale = 1: LR made from HR would equal HR; set download.lr to provided"
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
                f"{name}.patch_size = {side}: must not be above validate.min_side, which is "
                f"{least}, since an image may be that small"
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
                f"{name}.batch_size = 1: with patch_size {sides[name]}, the last normalization "
                "of the discriminator has one value per channel; increase one of them"
            )
