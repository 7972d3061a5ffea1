"""Contenders measured on the same pictures."""

import numpy as np
import pytest

from esrgan_core.engine.evaluate import Sample
from esrgan_core.io.resize import resize_pixels
from esrgan_core.metrics import METRICS
from pipelines.contenders import bicubic, compare, nested, set_means
from pipelines.statistics import intervals


def test_what_one_contender_cannot_be_judged_on_counts_for_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (208, 216, 3)).astype(np.uint8) for _ in range(2)]
    samples = [
        Sample(name=f"own/{name}", set="own", lr=np.asarray(resize_pixels(hr, 0.25)), hr=hr)
        for name, hr in zip("ab", pictures, strict=True)
    ]

    def blank_on_b(lr: np.ndarray) -> np.ndarray:
        enlarged = np.asarray(resize_pixels(lr, 4))
        return np.zeros_like(enlarged) if lr is samples[1].lr else enlarged

    metrics = {name: METRICS[name] for name in ("psnr_y", "niqe")}
    frame, _ = compare({"bicubic": bicubic(4), "blank": blank_on_b}, samples, metrics, 4, "test")
    assert frame["niqe"].isna().tolist() == [False, True, False, True]
    assert frame["psnr_y"].notna().all()
    said = "own/b is left out of niqe: blank: NIQE needs two blocks that are not flat"
    assert said in capsys.readouterr().err
    means = nested(set_means(frame))
    assert means["bicubic"]["own"]["niqe"] == round(frame["niqe"][0], 6)
    counts = intervals(frame).set_index(["model", "metric"])["count"]
    assert (counts["bicubic", "niqe"], counts["bicubic", "psnr_y"]) == (1, 2)
