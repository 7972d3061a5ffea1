"""Compiled steps, in processes of their own: the compiler cannot see through checks of shapes."""

import os
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

COMPILED = """
import sys
import torch
import torch.compiler.config
from esrgan_core.data.sampling import Pair
from esrgan_core.engine.execution import Execution
from esrgan_core.engine.optimizers import OptimizerConfig
from esrgan_core.engine.steps import PixelStep
from esrgan_core.models.configs import RRDBNetConfig
from esrgan_core.models.rrdb import RRDBNet

torch.manual_seed(0)
pair = Pair(lr=torch.rand(3, 3, 8, 8), hr=torch.rand(3, 3, 32, 32))
keys = []
for mode in ("off", "default"):
    torch.manual_seed(1)
    config = RRDBNetConfig(num_features=8, num_blocks=1, growth_channels=4, block=sys.argv[1])
    generator = RRDBNet(config)
    adam, execution = OptimizerConfig(learning_rate=1e-3), Execution(compile=mode)
    step = PixelStep(generator, adam, ema=0.5, execution=execution)
    terms = [step(pair, 1.0) for _ in range(2)]
    print(*(f"{float(term[name]):.5f}" for term in terms for name in ("g/pixel", "g/gradient")))
    keys.append(list(step.state()["generator"].state_dict()))
assert keys[0] == keys[1]
assert torch.compiler.config.cache_key_tag == torch.backends.cpu.get_cpu_capability()
"""


@pytest.mark.skipif(which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.parametrize("block", ["residual", pytest.param("rrdb", marks=pytest.mark.long)])
def test_a_compiled_generator_learns_the_same(block: str, tmp_path: Path) -> None:
    plain, compiled = losses_plain_and_compiled(block, tmp_path)
    assert plain == compiled


@pytest.mark.long
@pytest.mark.skipif(which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_kernels_of_another_processor_are_not_run(tmp_path: Path) -> None:
    for capability in ("default", "avx2"):
        plain, compiled = losses_plain_and_compiled(
            "residual", tmp_path, ATEN_CPU_CAPABILITY=capability
        )
        assert plain == compiled


def losses_plain_and_compiled(block: str, cache: Path, **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", COMPILED, block],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"TORCHINDUCTOR_CACHE_DIR": str(cache)} | environment,
    )
    return done.stdout.splitlines()


def test_a_step_does_not_import_torchs_compiler() -> None:
    # the classes of torch.optim import it, which takes 3 s
    plain = COMPILED.replace('("off", "default")', '("off", "off")').partition("assert keys")[0]
    check = plain + 'assert "torch._dynamo" not in sys.modules\n'
    subprocess.run([sys.executable, "-c", check, "residual"], check=True, capture_output=True)
