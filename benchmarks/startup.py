"""Start-up time of commands and stages: this build and another, in turns.

`--other` names a checkout of another build that has a `.venv` of its own, `--project` a checkout
in which the pipeline has run: a store with a registered model, and nothing left for `dvc repro`.
Processor time is measured, too, since it does not depend on other programs.
"""

import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from benchmarks.timing import AsJson, Rounds, compare, machine, print_results

ROOT = Path(__file__).parents[1]
DATA_STAGES = ("download", "validate", "bicubic")
PROBLEMS_FOUND = 1
"""Exit code of `esrgan doctor` if it finds problems."""


def main(
    other: Annotated[
        Path | None, typer.Option(help="checkout of another build, with its .venv")
    ] = None,
    project: Annotated[
        Path | None, typer.Option(help="checkout in which the pipeline has run")
    ] = None,
    rounds: Rounds = 5,
    as_json: AsJson = False,
) -> None:
    """Print seconds of each build, and how many times faster this one is."""
    builds = {**({"other": other.resolve()} if other else {}), "this": ROOT}
    tasks: dict[str, Callable[[Path], None]] = {}
    for stage in DATA_STAGES:
        tasks[f"import pipelines.stages.{stage}"] = _importing(f"pipelines.stages.{stage}")
    tasks["esrgan --help"] = _command("esrgan", "--help", folder=ROOT)
    with tempfile.TemporaryDirectory() as name:
        if project:
            clone = Path(name) / "clone"
            subprocess.run(["git", "clone", "--quiet", project, clone], check=True)
            for command in ("models", "doctor"):
                tasks[f"esrgan {command}"] = _command("esrgan", command, folder=project)
                tasks[f"esrgan {command}, fresh checkout"] = _command(
                    "esrgan", command, folder=clone, fresh=True
                )
            tasks["dvc repro, nothing to do"] = _command("dvc", "repro", folder=project)
        results = {title: _measure(title, task, builds, rounds) for title, task in tasks.items()}
    content = {"machine": machine(), "rounds": rounds, "results": results}
    print_results(content, as_json=as_json)


def _measure(
    title: str, task: Callable[[Path], None], builds: dict[str, Path], rounds: int
) -> dict[str, dict[str, float]]:
    """Seconds and processor seconds by build, and the ratios if there are two."""
    used: dict[str, list[float]] = {name: [] for name in builds}

    def measured(name: str) -> Callable[[], None]:
        def run() -> None:
            before = _processor_seconds()
            task(builds[name])
            used[name].append(_processor_seconds() - before)

        return run

    elapsed = compare(title, {name: measured(name) for name in builds}, rounds=rounds)
    found = {
        "seconds": elapsed,
        # the first one warmed up
        "processor_seconds": {name: median(values[1:]) for name, values in used.items()},
    }
    if "other" in builds:
        found["times_faster"] = {
            kind: values["other"] / values["this"] for kind, values in found.items()
        }
    return {
        kind: {name: round(value, 3) for name, value in values.items()}
        for kind, values in found.items()
    }


def _processor_seconds() -> float:
    """Of all child processes that have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _importing(module: str) -> Callable[[Path], None]:
    return lambda build: _run(build, ["python", "-c", f"import {module}"], build)


def _command(*words: str, folder: Path, fresh: bool = False) -> Callable[[Path], None]:
    """A command of a build in a folder, without its state if `fresh`."""

    def run(build: Path) -> None:
        if fresh:
            shutil.rmtree(folder / ".esrgan", ignore_errors=True)
        _run(build, list(words), folder)

    return run


def _run(build: Path, words: list[str], folder: Path) -> None:
    scripts = build / ".venv" / "bin"
    own = {name: text for name, text in os.environ.items() if not name.startswith("ESRGAN_")}
    done = subprocess.run(
        [scripts / words[0], *words[1:]],
        cwd=folder,
        env=own | {"PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, PROBLEMS_FOUND if words[-1] == "doctor" else 0):
        raise RuntimeError(f"{' '.join(words)} in {folder}: {done.stderr}")


if __name__ == "__main__":
    typer.run(main)
