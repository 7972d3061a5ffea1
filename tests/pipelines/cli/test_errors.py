"""Every imported package is declared, and the extra that installs it is known."""

import ast
import importlib.metadata
import sys
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pipelines.cli.errors import EXTRAS, describe_missing_extra
from pipelines.ops.doctor.installation import find_required
from tests.support import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def imported() -> set[str]:
    """Top-level modules of other projects that the packages import, anywhere in a file."""
    modules: set[str] = set()
    for package in ("esrgan_core", "pipelines"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    modules |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    modules.add(node.module.partition(".")[0])
    return modules - sys.stdlib_module_names - {"esrgan_core", "pipelines"}


def test_every_imported_module_is_installed_by_default_or_by_an_extra() -> None:
    installed = list(importlib.metadata.distributions())
    requires = {
        str(canonicalize_name(each.metadata["Name"])): each.requires or [] for each in installed
    }
    packages = {
        module: {canonicalize_name(name) for name in names}
        for module, names in importlib.metadata.packages_distributions().items()
    }
    base = {canonicalize_name(Requirement(one).name) for one in PROJECT["dependencies"]}
    optional = {module for module in imported() if not packages[module] & base}
    for extra, modules in EXTRAS.items():
        wanted = PROJECT["optional-dependencies"][extra]
        there = set().union(*(find_required(one, requires) for one in wanted))
        assert [module for module in modules if not packages[module] & there] == []
    assert optional == set().union(*EXTRAS.values())


def test_a_module_that_no_extra_installs_is_a_defect() -> None:
    assert describe_missing_extra(ModuleNotFoundError(name="torch"), "info") is None
    assert describe_missing_extra(ModuleNotFoundError(name="esrgan_core.nowhere"), "info") is None
