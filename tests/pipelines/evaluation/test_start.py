"""Trainings start from weights that parameters name."""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from esrgan_core.engine.execution import Execution
from esrgan_core.files import file_sha256
from esrgan_core.models.build import build_discriminator, build_generator
from esrgan_core.models.configs import RRDBNetConfig, SRCNNConfig, VGGDiscriminatorConfig
from esrgan_core.models.reading import load_network
from esrgan_core.models.weights import load_discriminator, network_state, save_layout, save_weights
from pipelines.config.params import ParamsError, load_params, read_yaml
from pipelines.evaluation.start import describe_start, find_generator, load_start, pin_start
from pipelines.stages import pretrain
from pipelines.stages.params_check import check_params, write_params
from pipelines.training.pixel import PixelTraining, build_pixel_step
from tests.support import ROOT
from tests.support.networks import SMALL, lively

START = Path("start.safetensors")
PIXELS = PixelTraining(steps=2, patch_size=32, batch_size=1)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the project's parameters and a network, which is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("ESRGAN_REPOSITORY", raising=False)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    save_weights(START, lively(SMALL).state_dict(), SMALL, {})
    return tmp_path


def generator() -> RRDBNetConfig:
    params = load_params(pretrain.Params)
    return find_generator(params.generator, params.pretrain.start, params.scale)


def test_a_start_gets_its_hash_and_gives_its_shape(here: Path) -> None:
    write_params(set_=[f"pretrain.start={START}", "generator=from_start"])
    params = read_yaml(Path("params.yaml"))
    assert params["pretrain"]["start"] == f"{START}#sha256={file_sha256(START)}"
    assert replace(generator(), init=SMALL.init) == SMALL
    write_params(set_=["generator={num_features: 8, num_blocks: 1, growth_channels: 4}"])
    assert generator() == replace(SMALL, init="paper")


def test_every_published_layout_is_a_start(here: Path) -> None:
    network = lively(SMALL)
    wanted = network_state(network).digest
    for layout in ("basicsr", "esrgan", "esrgan_old"):
        path = Path(f"{layout}.pth")
        save_layout(path, network.state_dict(), layout)
        found = load_start("pretrain.start", pin_start(str(path)), RRDBNetConfig)
        assert found.digest == wanted
    torch.save({"generator": build_generator(SMALL).state_dict(), "ema": network.state_dict()}, "c")
    found = load_start("pretrain.start", pin_start("c"), RRDBNetConfig)
    assert found.digest == wanted, "a checkpoint is read as its averaged network"


@pytest.mark.parametrize("scale", [1, 2, 8, 16])
def test_another_scale_takes_the_trunk(here: Path, scale: int) -> None:
    write_params(
        set_=[f"scale={scale}", f"pretrain.start={START}", "generator=from_start"]
        + (["download.lr=provided"] if scale == 1 else [])
    )
    start = load_network(START)
    step = build_pixel_step(generator(), PIXELS, Execution(), start=start)
    state = step.generator.state_dict()
    taken = {key for key, value in start.arrays.items() if np.array_equal(state[key], value)}
    assert {key for key in state if key.startswith(("body", "conv_body", "conv_last"))} <= taken
    own = {key.partition(".")[0] for key in state if key not in taken}
    # folded pixels have more channels, and a larger scale more upsamplings
    folded = {1: {"conv_first"}, 2: {"conv_first"}}
    assert own == (folded | {8: {"conv_up3"}, 16: {"conv_up3", "conv_up4"}})[scale]
    message = describe_start("a.pth#sha256=" + "0" * 64, start, step.generator)
    assert message.startswith(f"starting from a.pth: {len(taken)} of {len(state)} tensors; ")


def damaged(change: Callable[[Path], None]) -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        path = folder / "bad.safetensors"
        shutil.copy(folder / START, path)
        change(path)
        return str(path)

    return make


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def break_values(path: Path) -> None:
    network = lively(SMALL)
    network.conv_first.weight.data[0] = torch.nan
    torch.save(network.state_dict(), path)


def use_gray(path: Path) -> None:
    state = lively(SMALL).state_dict()
    torch.save(state | {"conv_first.weight": state["conv_first.weight"][:, :1].clone()}, path)


def use_srcnn(path: Path) -> None:
    config = SRCNNConfig()
    save_weights(path, build_generator(config).state_dict(), config, {})


@pytest.mark.parametrize("key", ["pretrain.start", "finetune.start"])
@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (damaged(truncate), "or damaged"),
        (damaged(break_values), "1 of 42 tensors hold values that are not finite"),
        (damaged(use_gray), "its first convolution has 1 channels, not 3, 12 or 48"),
        (damaged(use_srcnn), "it holds an SRCNN, and this stage trains an RRDBNet"),
        (lambda folder: "absent.pth", "no such file"),
        (lambda folder: f"{START}#sha256={'0' * 64}", "has changed: its sha256 is"),
        (lambda folder: f"http://127.0.0.1:9/a.pth#sha256={'0' * 64}", "127.0.0.1:9"),
        (
            lambda folder: "models:/esrgan@champion",
            "nothing is registered here: there is no MLflow store",
        ),
        (lambda folder: "models:/esrgan/1?alpha=1.5", "alpha must be a number from 0 to 1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_start_that_cannot_be_used_is_refused(
    here: Path, key: str, make: Callable[[Path], str], complaint: str
) -> None:
    before = Path("params.yaml").read_text(encoding="utf-8")
    with pytest.raises(ParamsError) as caught:
        write_params(set_=[f"{key}={make(here)}", "generator=from_start"])
    message = str(caught.value)
    assert complaint in message
    assert key in message
    assert Path("params.yaml").read_text(encoding="utf-8") == before


def test_a_changed_start_is_refused(here: Path) -> None:
    write_params(set_=[f"finetune.start={START}"])
    save_weights(START, lively(replace(SMALL, num_blocks=2)).state_dict(), SMALL, {})
    with pytest.raises(ParamsError, match=r"finetune.start = start.safetensors: .* has changed"):
        check_params(read_yaml(Path("params.yaml")))


def test_another_shape_is_one_error_with_both_shapes(here: Path) -> None:
    with pytest.raises(ParamsError) as caught:
        write_params(set_=[f"pretrain.start={START}"])
    assert str(caught.value) == (
        "params.yaml: pretrain.start has num_features 8, num_blocks 1, growth_channels 4, and "
        "generator has num_features 32, num_blocks 2, growth_channels 16; run "
        "`esrgan params` with --set generator.num_features=8 --set generator.num_blocks=1 "
        "--set generator.growth_channels=4, or --set generator=from_start"
    )


def test_only_a_pixel_training_changes_the_scale(here: Path) -> None:
    with pytest.raises(ParamsError, match=r"start is a network of scale 4, and scale is 2"):
        write_params(set_=["scale=2", f"finetune.start={START}"])


@pytest.mark.parametrize(
    ("assignment", "complaint"),
    [
        ("generator=from_start", "generator = from_start needs a network: set pretrain.start"),
        ("generator=null", "generator must be a section or from_start"),
        ("generator=from", "generator must be a section or from_start"),
        ("generator=5", "generator = 5: Input should be a dictionary"),
        ("pretrain.steps=0", "steps must be at least 1, got 0: without a start nothing is trained"),
        ("finetune={steps: 0, start: start.safetensors}", "steps must be at least 1, got 0"),
    ],
)
def test_what_needs_a_start_says_so(here: Path, assignment: str, complaint: str) -> None:
    with pytest.raises(ParamsError, match=re.escape(complaint)):
        write_params(set_=[assignment])


def test_a_start_without_steps_is_handed_on(here: Path) -> None:
    write_params(set_=[f"pretrain={{start: {START}, steps: 0}}", "generator=from_start"])
    assert load_params(pretrain.Params).pretrain.steps == 0


def test_a_discriminator_starts_from_a_file(here: Path) -> None:
    config = VGGDiscriminatorConfig(patch_size=32, num_features=4)
    network = build_discriminator(config)
    save_weights(Path("d.safetensors"), network.state_dict(), config, {})
    other = build_discriminator(config)
    load_discriminator(other, Path("d.safetensors"))
    assert all(map(torch.equal, network.state_dict().values(), other.state_dict().values()))
    wider = build_discriminator(replace(config, num_features=8))
    with pytest.raises(ValueError, match=r"d\.safetensors does not fit VGGDiscriminator"):
        load_discriminator(wider, Path("d.safetensors"))
    with pytest.raises(ValueError, match=r"start\.safetensors does not fit VGGDiscriminator"):
        load_discriminator(wider, START)


def test_the_weights_of_a_start_decide_the_training() -> None:
    build = partial(build_pixel_step, SMALL, PIXELS, Execution())
    starts = [network_state(lively(SMALL)), network_state(lively(replace(SMALL, init="paper")))]
    steps = [build(start=start) for start in starts]
    assert all(
        np.array_equal(step.ema.network.state_dict()[key], value)
        for step, start in zip(steps, starts, strict=True)
        for key, value in start.arrays.items()
    )
