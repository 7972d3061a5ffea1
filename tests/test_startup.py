"""What a fresh process imports: slow packages stay out of programs that do without them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from esrgan_core.models.rrdb import RRDBNet
from esrgan_core.models.weights import save_layout
from tests.support import ROOT
from tests.support.networks import SMALL

SERVICES = {"mlflow", "great_expectations", "prefect", "boto3", "requests", "distributed"}
DRAWING = {"matplotlib", "sklearn", "skimage", "jinja2"}
MODULES = "\nprint(*{name.partition('.')[0] for name in sys.modules})"


def packages_after(code: str) -> set[str]:
    """Packages that a process has imported at the end of `code`, whatever exit it took."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, atexit\n{code}"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("pipelines.stages.download", {"torch", "pandas", "scipy", "joblib"}),
        ("pipelines.stages.bicubic", {"torch", "pandas", "scipy", "joblib"}),
        ("pipelines.stages.validate", {"torch", "scipy", "joblib"}),
        ("pipelines.stages.register", {"scipy", "joblib"}),
        ("pipelines.stages.evaluate", {"scipy", "joblib"}),
        ("pipelines.stages.finetune", {"scipy", "joblib"}),
        ("pipelines.tracking.publish", {"torch"}),
    ],
)
def test_a_module_imports_nothing_slow_that_it_may_not_need(module: str, absent: set[str]) -> None:
    found = packages_after(f"import {module}{MODULES}")
    assert "pipelines" in found
    assert found.isdisjoint(absent | SERVICES | DRAWING)


def test_images_and_pairs_are_read_and_written_without_torch() -> None:
    files = sorted((ROOT / "esrgan_core" / "io").glob("*.py"))
    names = [f"esrgan_core.io.{path.stem}" for path in files if path.stem != "__init__"]
    names += [
        "esrgan_core.data.pairs",
        "esrgan_core.data.provenance",
        "esrgan_core.data.quality_stats",
    ]
    found = packages_after(f"import {', '.join(names)}{MODULES}")
    assert "PIL" in found
    assert found.isdisjoint({"torch", "pandas"} | SERVICES)


def test_published_weights_are_read_without_torchs_compiler(tmp_path: Path) -> None:
    path = tmp_path / "network.safetensors"
    save_layout(path, RRDBNet(SMALL).state_dict(), "basicsr")
    code = "from pathlib import Path\nfrom esrgan_core.models.weights import load_generator\n"
    found = packages_after(f"{code}load_generator(Path({str(path)!r})){MODULES}")
    assert "torch" in found
    assert "sympy" not in found


@pytest.mark.parametrize(
    ("args", "absent"),
    [
        (["--help"], {"torch", "pandas", "numpy", "ruamel"}),
        (["models", "--help"], {"torch", "pandas", "numpy", "ruamel"}),
        # without a store
        (["models"], {"torch", "pandas", "numpy", "sqlalchemy"}),
        (["doctor"], {"scipy", "joblib"}),
    ],
)
def test_a_command_imports_nothing_slow_that_it_may_not_need(
    args: list[str], absent: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    code = f"sys.argv = {['esrgan', *args]}\natexit.register(lambda: {MODULES.strip()})\n"
    found = packages_after(f"{code}from pipelines.cli.app import main\nmain()")
    assert "typer" in found
    assert found.isdisjoint(absent | SERVICES | DRAWING)


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, "2000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "PASSIVE"}, None)],
)
def test_threads_of_a_stage_wait_briefly_unless_set_otherwise(
    given: dict[str, str], expected: str | None
) -> None:
    plain = {name: v for name, v in os.environ.items() if not name.startswith(("GOMP", "OMP_WAIT"))}
    done = subprocess.run(
        [sys.executable, "-c", "import pipelines.stages, os; print(os.getenv('GOMP_SPINCOUNT'))"],
        cwd=ROOT, env=plain | given, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == str(expected)


def test_a_packages_file_is_found_without_importing_the_package() -> None:
    code = "from pipelines.sources.locations import PackageFile\n"
    code += "from pipelines.sources.resolve import find_package_file\n"
    coffee = 'PackageFile(package="skimage.data", resource="coffee.png")'
    found = packages_after(f"{code}assert find_package_file({coffee}).is_file(){MODULES}")
    assert found.isdisjoint({"skimage", "torch"})
