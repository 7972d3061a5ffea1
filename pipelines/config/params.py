"""Reads, validates and changes params.yaml; errors name the file, the key and the remedy."""

import dataclasses
import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast, get_args, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from esrgan_core.files import atomic_path
from pipelines.config.errors import UserError

PARAMS = Path("params.yaml")
PROFILES = Path("profiles")
Config = TypeVar("Config")

DERIVED_KEYS = {
    ("generator", "scale"): ("scale",),
    ("discriminator", "patch_size"): ("finetune", "patch_size"),
}
"""Keys that are not in the file, and the key whose value each takes."""
FROM_START = "from_start"
"""A section with this value has its values from the network that the training starts from."""
FREE_KEY_SECTIONS = frozenset({"layers", "rate_factors", "weight_files"})
"""Sections whose keys the user chooses; a key may contain dots."""
RENAMED = {"conditions": "semantic_maps", "held": "freeze_steps"}
"""New names of keys and sections that were renamed."""


class ParamsError(UserError):
    """A mistake in a parameter file or in an assignment."""


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML 1.2 mapping with its comments, as DVC does; a ParamsError if it is not one."""
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
    """Write the content of `read_yaml` atomically; unchanged lines and comments stay."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        _yaml().dump(content, file)


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 1000
    yaml.representer.add_representer(
        type(None), lambda made, _: made.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml


def load_params(stage: type[Config], path: Path = PARAMS) -> Config:
    """Load and validate the sections that are fields of `stage`; a ParamsError lists all errors."""
    return parse_sections(stage, read_yaml(path), path)


def load_section(name: str, kind: type[Config], path: Path = PARAMS) -> Config:
    """Load and validate one section, without importing the stage that it belongs to."""
    params: Any = load_params(dataclasses.make_dataclass("Params", [(name, kind)]), path)
    return cast(Config, getattr(params, name))


def parse_sections(stage: type[Config], params: dict[str, Any], path: Path) -> Config:
    """Validate the sections of `params`, which is the content of `path`, as `load_params` does."""
    content = {name: dict(v) if isinstance(v, Mapping) else v for name, v in params.items()}
    if content.get("generator") == FROM_START:
        content["generator"] = None
    elif isinstance(content.get("generator", {}), str | None):
        raise ParamsError(f"{path}: generator must be a section or {FROM_START}")
    values = dict(flatten(params))
    for (section, key), source in DERIVED_KEYS.items():
        target, name = content.get(section), ".".join(source)
        if not isinstance(target, dict):
            continue  # reported by the validation, or from the start
        if key in target:
            raise ParamsError(f"{path}: remove {section}.{key}; it follows {name}")
        if name in values:
            target[key] = values[name]
    wanted = [field.name for field in dataclasses.fields(cast(Any, stage))]
    if missing := [name for name in wanted if name not in content]:
        names = {old: new for old, new in RENAMED.items() if old in content and new in missing}
        renamed = "".join(f"; rename {old} to {new}" for old, new in names.items())
        raise ParamsError(f"{path} lacks the sections {missing}{renamed}")
    strict = with_config(ConfigDict(extra="forbid"))(stage)
    try:
        return TypeAdapter(strict).validate_python({name: content[name] for name in wanted})
    except ValidationError as error:
        lines = [f"{path}: {_message(stage, one)}" for one in error.errors()]
        raise ParamsError("\n".join(lines)) from error


def _message(stage: Any, problem: Mapping[str, Any]) -> str:
    location = [str(part) for part in problem["loc"]]
    key = ".".join(location)
    if problem["type"] == "value_error":  # of a config dataclass, whose message names the value
        return f"{key}: {problem['ctx']['error']}"
    if problem["type"] == "unexpected_keyword_argument":
        for part in location[:-1]:
            stage = _section_type(get_type_hints(stage)[part])
        return _unknown_key(key, [field.name for field in dataclasses.fields(stage)])
    return f"{key} = {problem['input']!r}: {problem['msg']}"


def _section_type(annotation: Any) -> Any:
    """The class of a section that may be None."""
    return next((one for one in get_args(annotation) if one is not type(None)), annotation)


def _unknown_key(key: str, valid: Iterable[str]) -> str:
    name = key.rpartition(".")[2]
    if new := RENAMED.get(name):
        return f"{key} is called {new} now; rename it"
    names = sorted(valid)
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0)[0]
    return f"unknown key {key}; did you mean {nearest}? (valid: {', '.join(names)})"


def update_params(params: dict[str, Any], changes: Mapping[str, Any], section: str = "") -> None:
    """Write `changes` into `params` in place, by section; a ParamsError for a key that it lacks."""
    for key, value in changes.items():
        if key not in params:
            raise ParamsError(_unknown_key(f"{section}{key}", map(str, params)))
        is_section = isinstance(params[key], Mapping) and isinstance(value, Mapping)
        if is_section and key not in FREE_KEY_SECTIONS:
            update_params(params[key], value, f"{section}{key}.")
        else:
            params[key] = value


def apply_profile(params: dict[str, Any], profile: str) -> None:
    """Write the values of `profiles/<profile>.yaml` into `params`; raises as `update_params`."""
    known = sorted(path.stem for path in PROFILES.glob("*.yaml"))
    if profile not in known:
        raise ParamsError(f"no profile {profile!r}; there are {known}")
    source = PROFILES / f"{profile}.yaml"
    try:
        update_params(params, read_yaml(source))
    except ParamsError as error:
        raise ParamsError(f"{source}: {error}") from error


def parse_assignments(assignments: Sequence[str]) -> dict[str, Any]:
    """Parse KEY=VALUE assignments into nested sections; VALUE is YAML.

    >>> parse_assignments(["a.b=1e-4", "a={c: [x, y]}"])
    {'a': {'b': 0.0001, 'c': ['x', 'y']}}

    Raises:
        ParamsError: if an assignment has no `=`, its value is not YAML, or a key is both a value
            and a section.
    """
    content: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise ParamsError(f"{assignment!r} is not valid: expected KEY=VALUE")
        try:
            value = YAML(typ="safe").load(text)
        except YAMLError as error:
            raise ParamsError(f"{assignment!r}: the value is not valid YAML") from error
        _assign(content, key.split("."), value)
    return content


def _assign(content: dict[str, Any], key: Sequence[str], value: Any) -> None:
    name, *rest = key
    if not rest and (name in FREE_KEY_SECTIONS or not isinstance(value, Mapping)):
        content[name] = value
        return
    section = content.setdefault(name, {})
    if not isinstance(section, dict):
        raise ParamsError(f"{name} is given as {section!r} and as a section")
    if rest and name in FREE_KEY_SECTIONS:
        section[".".join(rest)] = value
    elif rest:
        _assign(section, rest, value)
    else:
        for key_, item in value.items():
            _assign(section, str(key_).split("."), item)


def flatten(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted name, value) of every value that is not a mapping.

    >>> dict(flatten({"a": {"b": 1}, "c": [1, 2]}))
    {'a.b': 1, 'c': [1, 2]}
    """
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
