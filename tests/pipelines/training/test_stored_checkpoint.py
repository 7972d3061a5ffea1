"""A checkpoint of an earlier version of the code is found and continued.

`python -m tests.pipelines.training.test_stored_checkpoint` writes a new one, which is needed
only if `ENGINE_VERSION` is raised.
"""

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch

from esrgan_core.data.pairs import StoreFacts, add_image, write_index
from esrgan_core.engine.journal import MetricsJournal
from esrgan_core.engine.optimizers import OptimizerConfig
from esrgan_core.engine.steps import GanStep, LossWeights, PixelStep
from esrgan_core.io.rgb import write_png
from esrgan_core.losses.adversarial import ADVERSARIAL
from esrgan_core.models.configs import RRDBNetConfig, VGGDiscriminatorConfig
from esrgan_core.models.discriminator import VGGDiscriminator
from esrgan_core.models.rrdb import RRDBNet
from pipelines.config.artifacts import PAIRS
from pipelines.training.pixel import PixelTraining
from pipelines.training.stage import train
from tests.support import ROOT

STORED = ROOT / "tests" / "data" / "checkpoint"
CONFIG = PixelTraining(
    steps=2, patch_size=32, batch_size=2, precision="fp32", validate_every=2, save_every=2,
    report_every=1,
)  # fmt: skip
GENERATOR = RRDBNetConfig(num_features=4, num_blocks=1, growth_channels=2, init="basicsr")


def write_store(folder: Path) -> None:
    """Images from integer arithmetic, equal on every CPU."""
    rows, columns = np.mgrid[0:48, 0:48]
    entries = []
    for number, split in enumerate(("train", "val")):
        pixels = np.stack([(rows * (3 + k) + columns * (5 - number)) % 256 for k in range(3)], 2)
        path = folder / f"{split}.png"
        write_png(path, pixels.astype(np.uint8))
        name = f"{split}/p"
        entries.append(add_image(folder, path, name=name, split=split, set_name="s", scale=4))
    write_index(folder, entries, StoreFacts(scale=4))


def run(folder: Path, steps: int) -> PixelStep:
    """Train up to a step, with the state root and the artifacts in `folder`."""
    torch.manual_seed(0)
    optimizer = OptimizerConfig(learning_rate=1e-3)
    step = PixelStep(RRDBNet(GENERATOR), optimizer, ema=0.9)
    config = replace(CONFIG, steps=steps)
    identity = {"generator": GENERATOR}
    write_store(folder / PAIRS)
    train("pretrain", lambda _: step, config, identity=identity)
    return step


def test_a_stored_checkpoint_is_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path / "state"))
    checkpoints = tmp_path / "state" / "checkpoints" / "pretrain"
    shutil.copytree(STORED, checkpoints)
    step = run(tmp_path, steps=4)
    (folder,) = checkpoints.iterdir()
    assert f"continuing after step 2 of {folder}" in capsys.readouterr().err
    assert [row["step"] for row in MetricsJournal(folder / "metrics.jsonl").rows()] == [
        0,
        1,
        2,
        2,
        3,
        4,
        4,
    ]
    assert all(bool(value.isfinite().all()) for value in step.generator.state_dict().values())


def test_names_in_the_state_of_a_fine_tuning_stay() -> None:
    generator = RRDBNet(GENERATOR)
    discriminator = VGGDiscriminator(VGGDiscriminatorConfig(patch_size=32, num_features=1))
    adam = OptimizerConfig(learning_rate=1e-3)
    step = GanStep(
        generator, discriminator, torch.nn.L1Loss(), ADVERSARIAL["relativistic_average"],
        weights=LossWeights(), generator_optimizer=adam, discriminator_optimizer=adam, ema=0.9,
    )  # fmt: skip
    state = {name: part.state_dict() for name, part in step.state().items()}
    assert {name: sorted(part)[:3] for name, part in state.items()} == {
        "generator": [
            "body.0.rdb1.conv1.bias",
            "body.0.rdb1.conv1.weight",
            "body.0.rdb1.conv2.bias",
        ],
        "discriminator": ["classifier.1.bias", "classifier.1.weight", "classifier.3.bias"],
        "ema": ["body.0.rdb1.conv1.bias", "body.0.rdb1.conv1.weight", "body.0.rdb1.conv2.bias"],
        "generator_optimizer": ["optimizer", "updates"],
        "discriminator_optimizer": ["optimizer", "updates"],
    }


if __name__ == "__main__":
    with TemporaryDirectory() as name:
        os.environ["ESRGAN_STATE"] = f"{name}/state"
        os.chdir(name)
        run(Path(name), steps=2)
        (made,) = Path(name).glob("state/checkpoints/pretrain/*")
        shutil.rmtree(STORED, ignore_errors=True)
        for path in [*made.glob("step_00000002.*"), made / "metrics.jsonl"]:
            target = STORED / made.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        sys.stdout.write(f"{STORED / made.name}\n")
