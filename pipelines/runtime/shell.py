"""Commands that are run for what they print."""

import subprocess
import sys
from pathlib import Path

from pipelines.runtime.redaction import redact


class CommandError(ValueError):
    """A command failed; the message has its own words."""


def git(words: list[str], folder: Path) -> str:
    """What git prints in a folder; raises as `output`."""
    return output(["git", *words], folder)


def output(command: list[str], folder: Path, *, fails: bool = False) -> str:
    """What a command prints, without the space around it.

    Args:
        command: the program and its arguments; dvc is that of this environment.
        folder: where it runs.
        fails: whether it may fail, as one that asks for what may not be there.

    Raises:
        CommandError: if it fails and may not.
    """
    here = [sys.executable, "-m", *command] if command[0] == "dvc" else command
    done = subprocess.run(here, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode and not fails:
        said = (done.stderr or done.stdout).strip()
        raise CommandError(redact(f"{' '.join(command)}: {said}"))
    return done.stdout.strip()


def resolve_commit(reference: str, folder: Path) -> str:
    """The commit that a reference of git names; "" if there is none."""
    name = f"{reference}^{{commit}}"
    return output(["git", "rev-parse", "--verify", "--quiet", name], folder, fails=True)
