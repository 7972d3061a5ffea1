"""What the baselines' trainings need beyond ESRGAN's: other optimizers, rates, conditions."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from esrgan_core.data.sampling import Pair
from esrgan_core.engine.distributed import SINGLE_PROCESS
from esrgan_core.engine.execution import Execution
from esrgan_core.engine.flat import FlatParameters
from esrgan_core.engine.flat_optimizer import FlatOptimizer
from esrgan_core.engine.optimizers import OptimizerConfig
from esrgan_core.engine.steps import GanStep, LossWeights, PixelStep, dominant_class
from esrgan_core.losses.adversarial import ADVERSARIAL
from esrgan_core.losses.perceptual import PerceptualLoss
from esrgan_core.models.build import build_generator
from esrgan_core.models.configs import (
    ClassDiscriminatorConfig,
    SFTNetConfig,
    SRCNNConfig,
    SRResNetConfig,
)
from esrgan_core.models.discriminator import ClassDiscriminator
from esrgan_core.models.sft import SFTNet
from esrgan_core.models.srcnn import SRCNN
from tests.esrgan_core.losses.test_losses import Halves


def pair(side: int = 8, classes: int = 0) -> Pair:
    torch.manual_seed(3)
    condition = torch.rand(3, classes, side, side) if classes else None
    lr, hr = torch.rand(3, 3, side, side), torch.rand(3, 3, 4 * side, 4 * side)
    return Pair(lr=lr, hr=hr, semantic_map=condition)


def srcnn() -> SRCNN:
    torch.manual_seed(1)
    return SRCNN(SRCNNConfig(num_features=(4, 2)))


def moved(network: nn.Module, before: dict[str, torch.Tensor]) -> set[str]:
    return {
        name for name, value in network.state_dict().items() if not torch.equal(value, before[name])
    }


def copy_of(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def test_sgd_with_momentum_and_a_slower_last_layer_as_srcnn_was_trained() -> None:
    config = OptimizerConfig(learning_rate=0.5, kind="sgd", rate_factors={"conv3": 0.1})
    network, reference = srcnn(), srcnn()
    step = PixelStep(network, config, ema=0.0, loss=mse_loss)
    groups: list[dict[str, Any]] = [
        {"params": [*reference.conv1.parameters(), *reference.conv2.parameters()]},
        {"params": [*reference.conv3.parameters()], "lr": 0.05},
    ]
    plain = torch.optim.SGD(groups, lr=0.5, momentum=0.9)
    for _ in range(3):
        step(pair(), rate=1.0)
        plain.zero_grad()
        mse_loss(reference(pair().lr), pair().hr).backward()
        plain.step()
    for name, value in reference.state_dict().items():
        assert torch.allclose(network.state_dict()[name], value, atol=1e-6), name


def test_what_is_held_keeps_its_value_and_starts_with_fresh_moments() -> None:
    config = OptimizerConfig(learning_rate=1e-3, rate_factors={"conv3": 2.0}, freeze_steps=2)
    network = srcnn()
    step = PixelStep(network, config, ema=0.0, loss=mse_loss)
    start = copy_of(network)
    for _ in range(2):
        step(pair(), rate=1.0)
    assert moved(network, start) == {"conv3.weight", "conv3.bias"}
    before = copy_of(network)
    step(pair(), rate=1.0)
    # Adam's first step is as long as the rate, its third is not quite
    change = (network.conv1.weight.detach() - before["conv1.weight"]).abs().max()
    assert float(change) == pytest.approx(1e-3, rel=1e-3)


def test_held_updates_are_counted_over_an_interruption() -> None:
    config = OptimizerConfig(learning_rate=1e-3, rate_factors={"conv3": 2.0}, freeze_steps=2)

    def run(steps: int, *, cut_after: int | None = None) -> nn.Module:
        step = PixelStep(srcnn(), config, ema=0.0, loss=mse_loss)
        for number in range(steps):
            if number == cut_after:
                again = PixelStep(srcnn(), config, ema=0.0, loss=mse_loss)
                for name, part in step.state().items():
                    again.state()[name].load_state_dict(part.state_dict())
                step = again
            step(pair(), rate=1.0)
        return step.generator

    whole, resumed = run(4), run(4, cut_after=1)
    assert not moved(resumed, copy_of(whole))


def test_a_key_that_names_no_parameter_is_refused() -> None:
    config = OptimizerConfig(learning_rate=1e-3, rate_factors={"conv9": 0.1})
    with pytest.raises(ValueError, match=r"no parameter's name holds \['conv9'\]"):
        FlatOptimizer(srcnn(), config, SINGLE_PROCESS)


def test_runs_are_views_of_the_weights_in_order() -> None:
    flat = FlatParameters(srcnn())
    runs = list(flat.runs([True, True, False, False, True, True]))
    assert [alike for alike, _, _ in runs] == [True, False, True]
    assert sum(len(weights) for _, weights, _ in runs) == len(flat.weights)
    runs[1][1].fill_(7)
    runs[1][2].fill_(8)
    assert bool((flat.parameters[2] == 7).all())
    assert flat.parameters[2].grad is not None
    assert flat.parameters[2].grad.unique().tolist() == [8]
    assert not bool((flat.parameters[0] == 7).any())


def sftnet() -> SFTNet:
    torch.manual_seed(1)
    return SFTNet(SFTNetConfig(num_features=4, num_blocks=1, num_classes=3, condition_features=4))


def test_an_sftnet_is_trained_on_what_it_is_told() -> None:
    network = sftnet()
    start = copy_of(network)
    step = PixelStep(network, OptimizerConfig(learning_rate=1e-3), ema=0.0, accumulate=3)
    step(pair(classes=3), rate=1.0)
    assert any(name.startswith("condition.0") for name in moved(network, start))
    with pytest.raises(TypeError, match="semantic_map"):
        step(pair(), rate=1.0)


def test_sftgans_discriminator_learns_classes_and_the_generator_to_show_them() -> None:
    def made(classification: float) -> tuple[GanStep, dict[str, torch.Tensor]]:
        torch.manual_seed(2)
        judge = ClassDiscriminator(
            ClassDiscriminatorConfig(patch_size=32, num_features=4, num_classes=3)
        )
        adam = OptimizerConfig(learning_rate=1e-3)
        step = GanStep(
            sftnet(),
            judge,
            PerceptualLoss(Halves(), {"half": 1.0}),
            ADVERSARIAL["standard"],
            weights=LossWeights(pixel=0.0, classification=classification),
            generator_optimizer=adam,
            discriminator_optimizer=adam,
            ema=0.0,
        )
        start = copy_of(judge)
        terms = step(pair(classes=3), rate=1.0)
        return step, {**start, **terms}

    named, seen = made(5e-3)
    logits = ClassDiscriminator(
        ClassDiscriminatorConfig(patch_size=32, num_features=4, num_classes=3)
    )
    logits.load_state_dict({k: v for k, v in seen.items() if "/" not in k and k != "skipped"})
    batch = pair(classes=3)
    assert batch.semantic_map is not None
    expected = cross_entropy(logits(batch.hr)[:, 1:], dominant_class(batch.semantic_map))
    assert torch.allclose(seen["d/class"], expected, atol=1e-6)
    assert "classifier.1.weight" in moved(named.discriminator, seen)
    without, plain = made(0.0)
    assert "g/class" not in plain
    assert "classifier.1.weight" not in moved(without.discriminator, plain)
    assert "judge.1.weight" in moved(without.discriminator, plain)


def test_the_main_class_fills_most_of_a_patch() -> None:
    condition = torch.zeros(2, 3, 4, 4)
    condition[0, 2, :3], condition[0, 1, 3:] = 1, 1
    condition[1, 0] = 0.4
    assert dominant_class(condition).tolist() == [2, 0]


def test_only_rrdbnet_is_checkpointed() -> None:
    network = build_generator(SRResNetConfig(num_features=4, num_blocks=1))
    with pytest.raises(ValueError, match="set checkpointing to false"):
        PixelStep(
            network,
            OptimizerConfig(learning_rate=1e-3),
            ema=0.0,
            execution=Execution(checkpointing=True),
        )
