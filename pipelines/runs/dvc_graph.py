"""DVC's graph of stages and data, in the order in which `dvc repro` runs them."""

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
    """The target for DVC's commands."""
    upstream: tuple[str, ...]
    """Addresses of the nodes that it depends on."""
    kind: Kind
    """Remote data is a frozen import, which can be updated; a stage is whatever DVC runs."""


def stage_graph(folder: Path) -> Iterator[Node]:
    """The stages of `dvc.yaml` and their dependencies, each after the nodes that it depends on."""
    from dvc.repo import Repo  # noqa: PLC0415  takes a second
    from networkx import descendants, topological_sort  # noqa: PLC0415  a dependency of DVC

    with Repo(str(folder)) as repo:
        graph = repo.index.graph  # its edges lead from a stage to its dependencies
        stages = {stage for stage in graph if stage.path_in_repo == "dvc.yaml"}
        needed = stages.union(*(descendants(graph, stage) for stage in stages))
        for stage in reversed([*topological_sort(graph)]):
            if stage in needed:
                kind: Kind = "data" if stage.is_data_source else "stage"
                if stage.is_import:  # one that is not frozen runs like a stage
                    kind = "remote data" if stage.frozen else "stage"
                upstream = tuple(sorted(one.addressing for one in graph.successors(stage)))
                yield Node(address=stage.addressing, upstream=upstream, kind=kind)


def drop_uncached_stages(folder: Path) -> None:
    """Remove stages without cached outputs from `dvc.lock`: DVC then looks in all earlier runs."""
    from dvc.repo import Repo  # noqa: PLC0415  takes a second

    lock = folder / "dvc.lock"
    if not lock.is_file():
        return
    with Repo(str(folder)) as repo:
        stages = [stage for stage in repo.index.stages if stage.path_in_repo == "dvc.yaml"]
        uncached = [stage.name for stage in stages if not stage.outs_cached()]
    if uncached:
        content = read_yaml(lock)
        for name in uncached:
            content["stages"].pop(name, None)
        write_yaml(lock, content)
