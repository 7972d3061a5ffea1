import numpy as np
import pytest

from esrgan_core.engine.evaluation import Method, Sample, network_method
from esrgan_core.io.decoding import NotFiniteError
from esrgan_core.io.resize import resize_pixels
from esrgan_core.metrics import METRICS
from esrgan_core.models.configs import RRDBNetConfig
from esrgan_core.models.rrdb import RRDBNet
from pipelines.evaluation.benchmark import score_methods
from pipelines.evaluation.bootstrap import interval_table
from pipelines.evaluation.methods import bicubic
from pipelines.evaluation.score_table import mask_incomplete, means_by_model, set_means
from tests.conftest import textured


def test_a_value_that_one_method_lacks_counts_for_no_method(
    capsys: pytest.CaptureFixture[str],
) -> None:
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (208, 216, 3)).astype(np.uint8) for _ in range(2)]
    samples = [
        Sample(name=f"own/{name}", set="own", lr=np.asarray(resize_pixels(hr, 0.25)), hr=hr)
        for name, hr in zip("ab", images, strict=True)
    ]

    def blank_on_b(sample: Sample) -> np.ndarray:
        enlarged = np.asarray(resize_pixels(sample.lr, 4))
        return np.zeros_like(enlarged) if sample is samples[1] else enlarged

    metrics = {name: METRICS[name] for name in ("psnr_y", "niqe")}
    methods: dict[str, Method] = {"bicubic": bicubic(4), "blank": blank_on_b}
    scores, _ = score_methods(methods, samples, metrics, 4, "test")
    assert scores["niqe"].isna().tolist() == [False, False, False, True]
    frame = mask_incomplete(scores)
    assert frame["niqe"].isna().tolist() == [False, True, False, True]
    assert frame["psnr_y"].notna().all()
    message = "own/b is left out of niqe: blank: NIQE needs two blocks that are not flat"
    assert message in capsys.readouterr().err
    means = means_by_model(set_means(frame))
    assert means["bicubic"]["own"]["niqe"] == round(frame["niqe"][0], 6)
    counts = interval_table(frame).set_index(["model", "metric"])["count"]
    assert (counts["bicubic", "niqe"], counts["bicubic", "psnr_y"]) == (1, 2)


def test_a_result_that_is_not_finite_names_method_and_image() -> None:
    network = RRDBNet(RRDBNetConfig(num_features=4, num_blocks=1, growth_channels=2)).eval()
    for weights in network.parameters():
        weights.data.mul_(1e12)
    sample = Sample(name="own/a", set="own", lr=textured(8, 10), hr=textured(32, 40))
    methods = {"bicubic": bicubic(4), "gan": network_method(network)}
    with pytest.raises(NotFiniteError, match="gan on own/a: the network's result is not finite"):
        score_methods(methods, [sample], {"psnr_y": METRICS["psnr_y"]}, 4, "test")
