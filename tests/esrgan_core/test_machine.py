"""What is known of a machine without torch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from esrgan_core.machine import Machine, default_threads, find_machine
from tests.support import ROOT

OLD = Machine(flags=frozenset({"sse2", "avx2"}), may_have_gpu=False)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of a Linux machine of two cores without a GPU."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    core = "processor\t: 0\nmodel name\t: Intel\nflags\t\t: sse2 avx2\n\n"
    for path, text in ((tmp_path / "proc" / "cpuinfo", 2 * core), (tmp_path / "dev" / "null", "")):
        path.parent.mkdir()
        path.write_text(text)
    return tmp_path


def test_instructions_and_gpus_are_found_in_files(root: Path) -> None:
    assert find_machine(root) == OLD
    (root / "proc" / "cpuinfo").write_text("processor : 0\nFeatures : fp asimd\n")
    assert find_machine(root).flags is None
    (root / "proc" / "cpuinfo").unlink()
    assert find_machine(root).flags is None


@pytest.mark.parametrize("name", ["dev/nvidiactl", "dev/kfd", "dev/dxg", "bin/nvidia-smi"])
def test_each_driver_of_a_gpu_is_seen(root: Path, name: str) -> None:
    path = root / name
    path.parent.mkdir(exist_ok=True)
    path.touch(mode=0o755)
    assert find_machine(root).may_have_gpu


def test_nothing_is_known_of_other_systems(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert find_machine(root) == Machine(flags=None, may_have_gpu=True)


def test_what_is_sure_and_what_is_not() -> None:
    gpu = Machine(flags=OLD.flags, may_have_gpu=True)
    unknown = Machine(flags=None, may_have_gpu=True)
    news = [
        Machine(flags=frozenset({"avx2", name}), may_have_gpu=False)
        for name in ("avx512_bf16", "amx_bf16")
    ]
    assert OLD.is_surely_cpu("auto")
    assert OLD.is_surely_fp32("auto")
    assert not gpu.is_surely_cpu("auto")
    assert not any(one.is_surely_fp32("auto") for one in (unknown, *news))
    for one in (OLD, gpu, unknown, *news):
        assert one.is_surely_cpu("cpu")
        assert one.is_surely_fp32("fp32")
        assert not one.is_surely_cpu("cuda")
        assert not one.is_surely_fp32("bf16")


@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"OMP_NUM_THREADS": "1"},
        {"OMP_NUM_THREADS": "99"},
        {"MKL_NUM_THREADS": "1", "OMP_NUM_THREADS": "99"},
        {"OMP_NUM_THREADS": "none"},
    ],
    ids=str,
)
def test_there_are_as_many_threads_as_torch_has(limits: dict[str, str]) -> None:
    plain = {name: v for name, v in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", "import torch; print(torch.get_num_threads())"],
        cwd=ROOT, env=plain | limits, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert default_threads(plain | limits) == int(done.stdout)
