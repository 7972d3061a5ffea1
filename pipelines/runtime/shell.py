"""Commands whose output is needed."""

import subprocess
import sys
from pathlib import Path

from pipelines.config.errors import UserError
from pipelines.runtime.redaction import redact


class CommandError(UserError):
    """A command failed; the message is its own."""


def git(arguments: list[str], folder: Path) -> str:
    """Output of git in a folder; raises as `output`."""
    return output(["git", *arguments], folder)


def output(command: list[str], folder: Path, *, check: bool = True) -> str:
    """Output of a command in a folder, stripped; a CommandError if it fails and `check` is set."""
    # DVC of this environment
    arguments = [sys.executable, "-m", *command] if command[0] == "dvc" else command
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)
    if check and done.returncode:
        message = (done.stderr or done.stdout).strip()
        raise CommandError(redact(f"{' '.join(command)}: {message}"))
    return done.stdout.strip()


def resolve_commit(reference: str, folder: Path) -> str:
    """The commit of a git reference; "" if it does not exist."""
    name = f"{reference}^{{commit}}"
    return output(["git", "rev-parse", "--verify", "--quiet", name], folder, check=False)
