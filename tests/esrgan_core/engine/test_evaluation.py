import numpy as np
import pytest

from esrgan_core.engine.evaluation import Sample, evaluate, network_method, score
from esrgan_core.io.decoding import NotFiniteError
from esrgan_core.io.resize import bicubic_pair, resize_pixels
from esrgan_core.metrics import METRICS
from esrgan_core.models.configs import RRDBNetConfig
from esrgan_core.models.rrdb import RRDBNet
from tests.conftest import textured

BOTH = {name: METRICS[name] for name in ("psnr_y", "ssim_y")}
HR, LR = bicubic_pair(textured(41, 52), 4)


def test_every_picture_is_scored_by_name() -> None:
    samples = [Sample(name="a", set="own", lr=LR, hr=HR)]
    (scored,) = evaluate(lambda sample: resize_pixels(sample.lr, 4), samples, BOTH, 4)
    assert (scored.name, scored.set, scored.sr.shape) == ("a", "own", HR.shape)
    assert set(scored.values) == {"psnr_y", "ssim_y"}
    assert scored.values["psnr_y"] > 10


def test_a_result_of_another_size_names_the_picture() -> None:
    samples = [Sample(name="a", set="own", lr=LR, hr=HR)]
    with pytest.raises(ValueError, match="a: the result is 26x20 pixels, HR 52x40"):
        list(evaluate(lambda sample: resize_pixels(sample.lr, 2), samples, BOTH, 4))


def test_a_metric_that_is_not_a_number_names_itself_and_the_picture() -> None:
    sample = Sample(name="a", set="own", lr=LR, hr=HR)
    metrics = {**BOTH, "broken": lambda sr, hr, border: float("nan")}
    with pytest.raises(ValueError, match="a: broken is not a number"):
        score(sample, np.asarray(resize_pixels(LR, 4)), metrics, 4)


def test_a_result_that_is_not_finite_names_the_picture() -> None:
    network = RRDBNet(RRDBNetConfig(num_features=4, num_blocks=1, growth_channels=2)).eval()
    for weights in network.parameters():
        weights.data.mul_(1e12)
    samples = [Sample(name="a", set="own", lr=LR, hr=HR)]
    with pytest.raises(NotFiniteError, match="a: the network's result is not finite"):
        list(evaluate(network_method(network), samples, BOTH, 4))


def test_a_metric_that_cannot_judge_costs_its_value_alone() -> None:
    samples = [Sample(name="a", set="own", lr=LR, hr=HR)]
    metrics = {**BOTH, "niqe": METRICS["niqe"]}
    (scored,) = evaluate(
        lambda sample: np.asarray(resize_pixels(sample.lr, 4)), samples, metrics, 4
    )
    assert np.isnan(scored.values["niqe"])
    assert scored.unmeasured == {"niqe": "NIQE needs two blocks of 96x96, got 44x32 pixels"}
    assert scored.values["psnr_y"] > 10
