"""The folders of runs in runs/, and their removal."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from pipelines.runs.experiments import list_workspaces, remove
from pipelines.runs.repository import find_repository
from pipelines.runtime.disk import folder_bytes


def list_runs(*, prune: bool, days: float, dry_run: bool) -> Iterator[str]:
    """A line for each folder; `prune` removes those that are saved and unused for `days`."""
    repository = find_repository()
    for run in list_workspaces(repository):
        is_old = datetime.now(UTC) - run.used > timedelta(days=days)
        is_removed = prune and run.state == "saved" and is_old
        size = f"{folder_bytes(run.folder) / 2**20:.1f} MiB"
        verb = "remove" if is_removed else "keep"
        yield f"{verb}  {run.folder.name}  {size}  {run.state}  {run.used:%Y-%m-%d %H:%M}"
        if is_removed and not dry_run and not remove(repository, run):
            yield f"keep  {run.folder.name}: it is in use now"
