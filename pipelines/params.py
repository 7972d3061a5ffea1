"""The only reader of params.yaml: types at the door, errors that name the key.

`python -m pipelines.params --profile full --set pretrain.steps=500000` writes a profile's values,
and single ones, into params.yaml; without either it writes the hashes of files that are named.
"""

import dataclasses
import difflib
import importlib
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from esrgan_core.files import write_text
from pipelines.pinned import find_pinned, pinned
from pipelines.redaction import redacted
from pipelines.sections import EvaluateConfig, InterpolateConfig, RegisterConfig

PARAMS = Path("params.yaml")
PROFILES = Path("profiles")
Stage = TypeVar("Stage")
Section = TypeVar("Section")

# said once, needed in two places: the second place may not say it again
DERIVED = {
    ("generator", "scale"): ("scale",),
    ("discriminator", "patch_size"): ("finetune", "patch_size"),
}


class ParamsError(ValueError):
    """A mistake in a parameter file; the message names file, key, value and remedy."""


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML 1.2 mapping with its comments, as DVC reads it.

    Raises:
        ParamsError: if it is missing, no YAML, or no mapping.
    """
    try:
        content = _yaml().load(path)
    except FileNotFoundError as error:
        raise ParamsError(f"no {path} here; run this in the root of the repository") from error
    except YAMLError as error:
        raise ParamsError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(content, Mapping):
        raise ParamsError(f"{path} must be a mapping of sections")
    return cast(dict[str, Any], content)


def write_yaml(path: Path, content: Mapping[str, Any]) -> None:
    """Write a mapping of `read_yaml`, what was not changed as it was; whole or not at all."""
    text = StringIO()
    _yaml().dump(content, text)
    write_text(path, text.getvalue())


def _yaml() -> YAML:
    """Reads and writes a file so that what was not changed stays as a person has written it."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 1000
    yaml.representer.add_representer(
        type(None), lambda made, _: made.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml


def load_params(stage: type[Stage], path: Path = PARAMS) -> Stage:
    """The sections that `stage`, a dataclass, names as its fields, validated.

    Raises:
        ParamsError: for unknown or missing keys and bad values, all of them in one message.
    """
    return _parsed(stage, read_yaml(path), path)


def load_section(name: str, kind: type[Section], path: Path = PARAMS) -> Section:
    """One section, validated, for what is no stage.

    Raises:
        ParamsError: as `load_params`.
    """
    loaded: Any = load_params(dataclasses.make_dataclass("Params", [(name, kind)]), path)
    return cast(Section, getattr(loaded, name))


def _parsed(stage: type[Stage], given: dict[str, Any], path: Path) -> Stage:
    content = _with_derived(given, path)
    wanted = [field.name for field in dataclasses.fields(cast(Any, stage))]
    missing = [name for name in wanted if name not in content]
    if missing:
        raise ParamsError(f"{path} lacks the sections {missing}")
    strict = with_config(ConfigDict(extra="forbid"))(stage)
    try:
        return TypeAdapter(strict).validate_python({name: content[name] for name in wanted})
    except ValidationError as error:
        lines = [_explain(stage, path, problem) for problem in error.errors()]
        raise ParamsError("\n".join(lines)) from error


def _with_derived(content: dict[str, Any], path: Path) -> dict[str, Any]:
    content = {name: dict(v) if isinstance(v, Mapping) else v for name, v in content.items()}
    for (section, key), source in DERIVED.items():
        value: Any = content
        for part in source:
            value = value.get(part, {}) if isinstance(value, dict) else {}
        if section in content and key in content[section]:
            raise ParamsError(f"{path}: remove {section}.{key}; it follows {'.'.join(source)}")
        if isinstance(content.get(section), dict) and value != {}:
            content[section][key] = value
    return content


def _explain(stage: Any, path: Path, problem: Mapping[str, Any]) -> str:
    """One line: the key, its value, what is wrong, and the nearest valid key if it is unknown."""
    location = [str(part) for part in problem["loc"]]
    key = ".".join(location)
    if problem["type"] == "value_error":  # a section's own: says which of its values
        return f"{path}: {key}: {problem['ctx']['error']}"
    if problem["type"] != "unexpected_keyword_argument":
        return f"{path}: {key} = {problem['input']!r}: {problem['msg']}"
    valid = _keys(stage, location[:-1])
    near = difflib.get_close_matches(location[-1], valid, n=1, cutoff=0)
    return f"{path}: unknown key {key}; did you mean {near[0]}? (valid: {', '.join(valid)})"


def _keys(kind: Any, location: list[str]) -> list[str]:
    """Names of the fields at a place within nested dataclasses."""
    for part in location:
        kind = get_type_hints(kind, include_extras=False)[part]
        if get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
    return sorted(field.name for field in dataclasses.fields(kind))


def merge(base: dict[str, Any], changes: Mapping[str, Any], where: str = "") -> None:
    """Write `changes` into `base` in place, section by section; comments stay.

    Raises:
        ParamsError: for a key that `base` does not have.
    """
    for key, value in changes.items():
        if key not in base:
            near = difflib.get_close_matches(str(key), [str(name) for name in base], n=1, cutoff=0)
            raise ParamsError(f"unknown key {where}{key}; did you mean {near[0]}?")
        inner = base[key]
        # a mapping of free keys (layers, ...) is replaced whole, since merging would add to it
        if isinstance(inner, Mapping) and isinstance(value, Mapping) and key not in FREE:
            merge(cast(dict[str, Any], inner), value, f"{where}{key}.")
        else:
            base[key] = value


FREE = frozenset({"layers", "rate_factors", "weight_files"})

FILES = (
    ("features", "weights"),
    ("srgan", "features", "weights"),
    ("sftgan", "features", "weights"),
    ("contextual", "features", "weights"),
    ("conditions", "maps"),
    ("evaluate", "weight_files"),
    ("evaluate", "ma_scores"),
)
"""Parameters that name a file or folder, or several of them by name."""


def apply(profile: str = "", set_: Sequence[str] = (), output: Path = PARAMS) -> None:
    """Write a profile and KEY=VALUE assignments into a parameter file, if all stages accept it.

    Files and folders that are named without the hash of their content get it.

    Raises:
        ParamsError: if one does not; the file stays as it is.
    """
    params = read_yaml(output)
    if profile:
        merge_profile(params, profile)
    merge(params, parse_assignments(set_))
    for section, key, name in _files(params):
        try:
            section[key] = pinned(section[key])
        except (OSError, ValueError) as error:
            raise ParamsError(f"{output}: {name}: {error}") from error
    check(params, output)
    write_yaml(output, params)


def _files(params: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Where files and folders are named: (mapping, key in it, dotted name)."""
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


def merge_profile(params: dict[str, Any], profile: str) -> None:
    """Write a profile's values into `params` in place.

    Raises:
        ParamsError: if there is no such profile, or it has a key that `params` does not have.
    """
    known = sorted(path.stem for path in PROFILES.glob("*.yaml"))
    if profile not in known:
        raise ParamsError(f"no profile {profile!r}; there are {known}")
    source = PROFILES / f"{profile}.yaml"
    try:
        merge(params, read_yaml(source))
    except ParamsError as error:
        raise ParamsError(f"{source}: {error}") from error


def parse_assignments(assignments: Sequence[str]) -> dict[str, Any]:
    """Nested values of `a.b=1` and the like; what stands after `=` is YAML.

    >>> parse_assignments(["a.b=1e-4", "a={c: [x, y]}"])
    {'a': {'b': 0.0001, 'c': ['x', 'y']}}

    Raises:
        ParamsError: for what has no `=`, is no YAML, or stands below another value.
    """
    content: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise ParamsError(f"{assignment!r} is no KEY=VALUE")
        try:
            value = YAML(typ="safe").load(text)
        except YAMLError as error:
            raise ParamsError(f"{assignment!r}: what stands after = is not valid YAML") from error
        _set(content, key.split("."), value)
    return content


def _set(content: dict[str, Any], key: Sequence[str], value: Any) -> None:
    """Write a value below sections; its own keys may have dots, too."""
    name, *rest = key
    if not rest and (name in FREE or not isinstance(value, Mapping)):
        content[name] = value
        return
    inner = content.setdefault(name, {})
    if not isinstance(inner, dict):
        raise ParamsError(f"{name} is given as {inner!r} and as a section")
    if rest and name in FREE:
        inner[".".join(rest)] = value  # what stands there is no section
    elif rest:
        _set(inner, rest, value)
    else:
        for own, one in value.items():
            _set(inner, str(own).split("."), one)


def check(params: dict[str, Any], path: Path = PARAMS, *, files: bool = True) -> None:
    """Insist on what every stage wants of its parameters.

    Args:
        params: all sections.
        path: where they are from, for the message.
        files: whether to look at the files and folders that are named, too.

    Raises:
        ParamsError: with all that is wrong, in one message.
    """
    problems: dict[str, None] = {}
    here = Path(__file__).parent
    sources = sorted([*here.glob("stages/[a-z]*.py"), *here.glob("baselines/[a-z]*.py")])
    modules = [f"pipelines.{file.parent.name}.{file.stem}" for file in sources]
    for module in (*modules, "pipelines.ablation"):
        stage = importlib.import_module(module).Params
        try:
            _parsed(stage, params, path)
        except ParamsError as error:
            problems |= dict.fromkeys(str(error).splitlines())
    if not problems:
        found = [*_across(params), *_unmeasured(params, path)]
        found += _changed(params) if files else []
        problems = {f"{path}: {words}": None for words in found}
    if problems:
        raise ParamsError("\n".join(problems))


def _across(params: dict[str, Any]) -> Iterator[str]:
    """What is wrong between sections, each of which is right by itself."""
    from esrgan_core.models.discriminator import (  # noqa: PLC0415  torch
        SRGANDiscriminatorConfig,
        VGGDiscriminatorConfig,
    )

    scale, least = params["scale"], params["validate"]["min_side"]
    if scale == 1 and params["download"]["lr"] == "made":
        yield "scale = 1: LR that is made from HR would be HR; set download.lr to supplied"
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
                "that a picture may be too small for it; lower it, or raise min_side"
            )
    judges = {"srgan": SRGANDiscriminatorConfig} | dict.fromkeys(
        ("finetune", "sftgan", "contextual", "ablation"), VGGDiscriminatorConfig
    )
    for name, judge in judges.items():
        try:
            last = judge(patch_size=sides[name]).last_side
        except ValueError as error:
            yield f"{name}.patch_size = {sides[name]}: {error}"
            continue
        if last == 1 and params[name]["batch_size"] == 1:
            yield (
                f"{name}.batch_size = 1: with patches of {sides[name]} the discriminator's last "
                "normalisation has one value per channel; take larger patches or batches"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Measured:
    """Sections that name metrics."""

    interpolate: InterpolateConfig
    evaluate: EvaluateConfig
    register: RegisterConfig


def _unmeasured(params: dict[str, Any], path: Path) -> Iterator[str]:
    """What is decided by a metric that is not measured."""
    read = _parsed(_Measured, params, path)
    for rule, metrics in (
        (read.interpolate.choose, read.evaluate.metrics),
        (read.register, read.evaluate.measured),
    ):
        try:
            rule.insist_measured(metrics)
        except ValueError as error:
            yield str(error)


def _changed(params: dict[str, Any]) -> Iterator[str]:
    """Which files and folders are not those that the parameters have the hash of."""
    for section, key, name in _files(params):
        try:
            find_pinned(section[key])
        except (OSError, ValueError) as error:
            yield f"{name}: {error}"


def main() -> None:
    """Write a recipe into params.yaml, if all stages accept it; `git checkout` undoes it."""
    parser = ArgumentParser("python -m pipelines.params", description=main.__doc__)
    parser.add_argument("--profile", default="", help="a file in profiles/, without its suffix")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE",
        help="as pretrain.steps=500000; may be repeated",
    )  # fmt: skip
    parser.add_argument("--output", type=Path, default=PARAMS, help="the file to change")
    given = parser.parse_args()
    try:
        apply(given.profile, given.set, given.output)
    except ParamsError as problem:
        sys.exit(redacted(str(problem)))
    print(f"{given.output} now has the recipe; `dvc repro` runs it")


if __name__ == "__main__":
    main()
