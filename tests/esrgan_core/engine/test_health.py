"""Collapses that were seeded are noticed, and healthy trainings are not accused."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from esrgan_core.data.pairs import PairStore
from esrgan_core.data.sampling import PatchSampler
from esrgan_core.engine.evaluation import Sample, evaluate, network_method
from esrgan_core.engine.health import HealthMonitor, appearance, health_warnings
from esrgan_core.engine.optimizers import OptimizerConfig
from esrgan_core.engine.steps import GanStep, LossWeights, PixelStep
from esrgan_core.losses.adversarial import ADVERSARIAL
from esrgan_core.losses.perceptual import PerceptualLoss
from esrgan_core.metrics import METRICS
from esrgan_core.models.configs import RRDBNetConfig, VGGDiscriminatorConfig
from esrgan_core.models.discriminator import VGGDiscriminator
from esrgan_core.models.rrdb import RRDBNet
from tests.conftest import textured
from tests.esrgan_core.losses.test_losses import Halves

CPU = torch.device("cpu")
REPORT_EVERY = 10
Tamper = Callable[[GanStep], None]


@pytest.fixture(scope="module")
def pretrained(store: PairStore) -> dict[str, torch.Tensor]:
    """Weights of a network that has learned a little."""
    torch.manual_seed(0)
    network = RRDBNet(
        RRDBNetConfig(num_features=8, num_blocks=1, growth_channels=4, init="basicsr")
    )
    step = PixelStep(network, OptimizerConfig(learning_rate=4e-3), ema=0.9)
    sampler = PatchSampler(store, patch_size=32, batch_size=4, seed=0)
    for number in range(1, 151):
        step(sampler.batch(number).to(CPU), rate=1 - number / 151)
    return step.ema.network.state_dict()


def watched(
    store: PairStore,
    weights: dict[str, torch.Tensor],
    *,
    seed: int = 0,
    generator_rate: float = 1e-4,
    adversarial: float = 5e-3,
    tamper: Tamper = lambda step: None,
) -> HealthMonitor:
    """A fine-tuning of 20 steps, validated before and after."""
    torch.manual_seed(seed)
    network = RRDBNet(RRDBNetConfig(num_features=8, num_blocks=1, growth_channels=4))
    network.load_state_dict(weights)
    step = GanStep(
        network,
        VGGDiscriminator(VGGDiscriminatorConfig(patch_size=32, num_features=8)),
        PerceptualLoss(Halves(), {"half": 1.0}),
        ADVERSARIAL["relativistic_average"],
        weights=LossWeights(adversarial=adversarial),
        generator_optimizer=OptimizerConfig(learning_rate=generator_rate),
        discriminator_optimizer=OptimizerConfig(learning_rate=1e-4),
        ema=0.5,
    )
    watch = HealthMonitor(REPORT_EVERY)
    terms: dict[str, float] = {}
    names = store.names("train")
    samples = [Sample(name=n, set="", lr=store.lr(n), hr=store.hr(n)) for n in names]

    def validate(number: int) -> None:
        results = list(
            evaluate(network_method(step.ema.network), samples, {"psnr_y": METRICS["psnr_y"]}, 4)
        )
        pairs = [
            (result.sr, np.asarray(sample.hr)[: result.sr.shape[0], : result.sr.shape[1]])
            for result, sample in zip(results, samples, strict=True)
        ]
        psnr = float(np.mean([result.values["psnr_y"] for result in results]))
        values = {"val/psnr_y": psnr} | {f"val/{k}": v for k, v in appearance(pairs).items()}
        watch.check(number, values | terms)

    validate(0)
    sampler = PatchSampler(store, patch_size=32, batch_size=4, seed=seed)
    skipped = 0.0
    for number in range(1, 21):
        tamper(step)
        last = step(sampler.batch(number).to(CPU), rate=1.0)
        skipped += float(last["skipped"])
        if number % REPORT_EVERY == 0:
            terms = {name: float(value) for name, value in last.items()} | {"skipped": skipped}
            skipped = 0.0
    validate(20)
    return watch


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_healthy_trainings_are_not_accused(
    store: PairStore, pretrained: dict[str, torch.Tensor], seed: int
) -> None:
    assert watched(store, pretrained, seed=seed).warnings == []


def network_of(step: GanStep) -> RRDBNet:
    assert isinstance(step.generator, RRDBNet)
    return step.generator


def shift_color(step: GanStep) -> None:
    network_of(step).conv_last.bias.data.add_(torch.tensor([0.01, 0.0, 0.0]))  # type: ignore[union-attr]


def make_discriminator_sure(step: GanStep) -> None:
    last = list(step.discriminator.modules())[-1]
    assert isinstance(last, torch.nn.Linear)
    last.weight.data.mul_(4)


def go_blank(step: GanStep) -> None:
    network_of(step).conv_last.weight.data.mul_(0.5)


def add_checks(step: GanStep) -> None:
    # alternating signs within a kernel answer to edges with ringing
    health_warnings = torch.tensor([[1.0, -1, 1], [-1, 0, -1], [1, -1, 1]])
    network_of(step).conv_last.weight.data.add_(0.5 * health_warnings)


def die(step: GanStep) -> None:
    network_of(step).conv_last.weight.data.zero_()
    network_of(step).conv_hr.weight.data.zero_()
    network_of(step).conv_hr.bias.data.fill_(-1e4)  # type: ignore[union-attr]
    step.weights = LossWeights(pixel=0.0, perceptual=0.0, adversarial=0.0)


def poison(step: GanStep) -> None:
    step.perceptual = NotFinite()


class NotFinite(torch.nn.Module):
    def forward(self, sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        return (sr - hr).mean() * torch.nan


@pytest.mark.parametrize(
    ("alarm", "settings"),
    [
        ("psnr_drop", {"generator_rate": 0.3}),
        ("discriminator_wins", {"tamper": make_discriminator_sure}),
        ("color_shift", {"tamper": shift_color}),
        ("blank", {"tamper": go_blank}),
        ("artifacts", {"tamper": add_checks}),
        ("no_gradient", {"tamper": die}),
        ("not_finite", {"tamper": poison}),
    ],
)
def test_collapses_are_noticed_within_one_validation_with_evidence(
    store: PairStore,
    pretrained: dict[str, torch.Tensor],
    alarm: str,
    settings: dict[str, object],
) -> None:
    found = watched(store, pretrained, **settings).warnings  # type: ignore[arg-type]
    assert alarm in [entry["name"] for entry in found]
    (evidence,) = [entry["evidence"] for entry in found if entry["name"] == alarm]
    assert any(character.isdigit() for character in evidence)


def test_appearance_of_a_picture_beside_itself_and_a_shifted_one() -> None:
    image = textured(40, 40)
    same = appearance([(image, image)])
    assert same == {"color_drift": 0, "detail_ratio": pytest.approx(1)}
    dark = np.clip(image.astype(int) - [9, 0, 0], 0, 255).astype(np.uint8)
    assert 6 < appearance([(dark, image)])["color_drift"] <= 9.001


def test_an_alarm_is_raised_once_and_survives() -> None:
    good = {"val/psnr_y": 28.0, "val/color_drift": 1.0, "val/detail_ratio": 0.8}
    watch = HealthMonitor(10)
    watch.check(0, good)
    assert set(watch.check(5, good | {"val/psnr_y": 20.0})) == {"psnr_drop"}
    again = HealthMonitor(10)
    again.load_state_dict(watch.state_dict())
    assert again.check(10, good | {"val/psnr_y": 19.0}) == {}
    assert [warning["step"] for warning in again.warnings] == [5]


def test_losing_the_noise_of_the_start_is_no_blank_picture() -> None:
    start = {"val/psnr_y": 10.0, "val/color_drift": 50.0, "val/detail_ratio": 2.3}
    smooth = {"val/psnr_y": 26.0, "val/color_drift": 1.0, "val/detail_ratio": 0.1}
    assert health_warnings(smooth, start, report_every=10) == {}
    detailed = start | {"val/detail_ratio": 0.8}
    assert set(health_warnings(smooth, detailed, report_every=10)) == {"blank"}
