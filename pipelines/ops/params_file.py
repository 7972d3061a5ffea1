"""Changes of params.yaml: a profile, single values, and hashes of the files that it names."""

from collections.abc import Sequence
from pathlib import Path

from pipelines.config.params import (
    PARAMS,
    ParamsError,
    apply_profile,
    parse_assignments,
    read_yaml,
    update_params,
    write_yaml,
)
from pipelines.sources.pinned import pin
from pipelines.stages.params_check import check_params, file_parameters


def write_params(profile: str = "", set_: Sequence[str] = (), output: Path = PARAMS) -> None:
    """Write a profile and KEY=VALUE assignments into a parameter file, if all stages accept it.

    Raises:
        ParamsError: if a stage does not accept it; the file is not changed.
    """
    params = read_yaml(output)
    if profile:
        apply_profile(params, profile)
    update_params(params, parse_assignments(set_))
    for section, key, name in file_parameters(params):
        try:
            section[key] = pin(section[key])
        except (OSError, ValueError) as error:
            raise ParamsError(f"{output}: {name}: {error}") from error
    check_params(params, output)
    write_yaml(output, params)
