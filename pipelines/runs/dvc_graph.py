"""What `dvc repro` would run, in its order: DVC's own graph, read and never written twice."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipelines.config.params import read_yaml, write_yaml

Kind = Literal["stage", "data", "remote data"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A stage of `dvc.yaml`, or data that a `.dvc` file tracks."""

    address: str
    """As DVC's commands take it."""
    upstream: tuple[str, ...]
    """Addresses of what has to be done before."""
    kind: Kind
    """Remote data is an import that can be updated; a stage is whatever DVC runs."""


def stage_graph(folder: Path) -> Iterator[Node]:
    """The stages of `dvc.yaml` and all that they need, each after what it needs."""
    from dvc.repo import Repo  # noqa: PLC0415  takes a second
    from networkx import descendants, topological_sort  # noqa: PLC0415  DVC's own

    with Repo(str(folder)) as repo:
        graph = repo.index.graph  # its edges lead from a stage to what it needs
        own = [stage for stage in graph if stage.path_in_repo == "dvc.yaml"]
        needed = {*own, *(one for stage in own for one in descendants(graph, stage))}
        for stage in reversed([*topological_sort(graph)]):
            if stage in needed:
                yield Node(
                    address=stage.addressing,
                    upstream=tuple(sorted(one.addressing for one in graph.successors(stage))),
                    kind=_kind(stage),
                )


def forget_what_is_lost(folder: Path) -> None:
    """Take out of `dvc.lock` what DVC's cache does not have.

    DVC looks for results among all earlier runs only where a stage is not as its lock says.
    """
    from dvc.repo import Repo  # noqa: PLC0415  takes a second

    lock = folder / "dvc.lock"
    if not lock.is_file():
        return
    with Repo(str(folder)) as repo:
        own = [stage for stage in repo.index.stages if stage.path_in_repo == "dvc.yaml"]
        lost = [stage.name for stage in own if not stage.outs_cached()]
    content = read_yaml(lock)
    for name in lost:
        content["stages"].pop(name, None)
    if lost:
        write_yaml(lock, content)


def _kind(stage: object) -> Kind:
    from dvc.stage import Stage  # noqa: PLC0415

    assert isinstance(stage, Stage)
    if stage.is_import and stage.frozen:
        return "remote data"
    # an import that is not frozen runs like a stage
    return "data" if stage.is_data_source and not stage.is_import else "stage"
