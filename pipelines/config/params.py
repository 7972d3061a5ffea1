"""The only reader of params.yaml: it checks types and names the key in its errors."""

import dataclasses
import difflib
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from esrgan_core.files import write_text

PARAMS = Path("params.yaml")
PROFILES = Path("profiles")
Stage = TypeVar("Stage")
Section = TypeVar("Section")

# said once, needed in two places: the second place may not say it again
DERIVED_KEYS = {
    ("generator", "scale"): ("scale",),
    ("discriminator", "patch_size"): ("finetune", "patch_size"),
}


RENAMED = {"conditions": "semantic_maps", "held": "freeze_steps"}
"""New names of keys and sections that were renamed."""


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
    return parse_sections(stage, read_yaml(path), path)


def load_section(name: str, kind: type[Section], path: Path = PARAMS) -> Section:
    """One section, validated, for what is no stage.

    Raises:
        ParamsError: as `load_params`.
    """
    loaded: Any = load_params(dataclasses.make_dataclass("Params", [(name, kind)]), path)
    return cast(Section, getattr(loaded, name))


def parse_sections(stage: type[Stage], given: dict[str, Any], path: Path) -> Stage:
    """The sections that `stage` names as its fields, out of the content of a parameter file.

    Args:
        stage: a dataclass.
        given: the file's content.
        path: the file, for the messages.

    Raises:
        ParamsError: as `load_params`.
    """
    content = _with_derived(given, path)
    wanted = [field.name for field in dataclasses.fields(cast(Any, stage))]
    missing = [name for name in wanted if name not in content]
    if missing:
        renamed = [
            f"; rename {old} to {new}"
            for old, new in RENAMED.items()
            if old in content and new in missing
        ]
        raise ParamsError(f"{path} lacks the sections {missing}{''.join(renamed)}")
    strict = with_config(ConfigDict(extra="forbid"))(stage)
    try:
        return TypeAdapter(strict).validate_python({name: content[name] for name in wanted})
    except ValidationError as error:
        lines = [_explain(stage, path, problem) for problem in error.errors()]
        raise ParamsError("\n".join(lines)) from error


def _with_derived(content: dict[str, Any], path: Path) -> dict[str, Any]:
    content = {name: dict(v) if isinstance(v, Mapping) else v for name, v in content.items()}
    for (section, key), source in DERIVED_KEYS.items():
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
    if new := RENAMED.get(location[-1]):
        return f"{path}: {key} is called {new} now; rename it"
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


def update_params(base: dict[str, Any], changes: Mapping[str, Any], where: str = "") -> None:
    """Write `changes` into `base` in place, section by section; comments stay.

    Raises:
        ParamsError: for a key that `base` does not have.
    """
    for key, value in changes.items():
        if key not in base:
            if new := RENAMED.get(key):
                raise ParamsError(f"{where}{key} is called {new} now; rename it")
            near = difflib.get_close_matches(str(key), [str(name) for name in base], n=1, cutoff=0)
            raise ParamsError(f"unknown key {where}{key}; did you mean {near[0]}?")
        inner = base[key]
        # merging would add to the keys of such a section
        if (
            isinstance(inner, Mapping)
            and isinstance(value, Mapping)
            and key not in FREE_KEY_SECTIONS
        ):
            update_params(cast(dict[str, Any], inner), value, f"{where}{key}.")
        else:
            base[key] = value


FREE_KEY_SECTIONS = frozenset({"layers", "rate_factors", "weight_files"})


def apply_profile(params: dict[str, Any], profile: str) -> None:
    """Write a profile's values into `params` in place.

    Raises:
        ParamsError: if there is no such profile, or it has a key that `params` does not have.
    """
    known = sorted(path.stem for path in PROFILES.glob("*.yaml"))
    if profile not in known:
        raise ParamsError(f"no profile {profile!r}; there are {known}")
    source = PROFILES / f"{profile}.yaml"
    try:
        update_params(params, read_yaml(source))
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
            raise ParamsError(f"{assignment!r} is not valid: expected KEY=VALUE")
        try:
            value = YAML(typ="safe").load(text)
        except YAMLError as error:
            raise ParamsError(f"{assignment!r}: what stands after = is not valid YAML") from error
        _set(content, key.split("."), value)
    return content


def _set(content: dict[str, Any], key: Sequence[str], value: Any) -> None:
    """Write a value below sections; its own keys may have dots, too."""
    name, *rest = key
    if not rest and (name in FREE_KEY_SECTIONS or not isinstance(value, Mapping)):
        content[name] = value
        return
    inner = content.setdefault(name, {})
    if not isinstance(inner, dict):
        raise ParamsError(f"{name} is given as {inner!r} and as a section")
    if rest and name in FREE_KEY_SECTIONS:
        inner[".".join(rest)] = value  # what stands there is no section
    elif rest:
        _set(inner, rest, value)
    else:
        for own, one in value.items():
            _set(inner, str(own).split("."), one)


def flatten(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted name, value) of every value that is not a mapping.

    >>> dict(flatten({"a": {"b": 1}, "c": [1, 2]}))
    {'a.b': 1, 'c': [1, 2]}
    """
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from flatten(value, f"{name}.")
        else:
            yield name, value
