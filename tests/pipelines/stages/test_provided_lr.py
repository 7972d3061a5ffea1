"""LR that the user provides."""

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from esrgan_core.io.resize import bicubic_pair
from esrgan_core.io.rgb import read_rgb, write_png
from pipelines.config.artifacts import VALIDATION_REPORT
from pipelines.data.lr_checks import check_pair
from pipelines.data.manifest import BadImagesError
from tests.conftest import textured
from tests.pipelines.stages.conftest import PHOTOGRAPHS
from tests.pipelines.stages.test_data_stages import run_bicubic, run_download, run_validate

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_pairs_of_a_camera_are_used_with_warnings(data: Path) -> None:
    for name in PHOTOGRAPHS:
        hr = read_rgb(next(data.glob(f"{name}.*")))
        # half an LR pixel to the side, and darker
        lr = ndimage.shift(bicubic_pair(hr, 4)[1] / 255, (0, 0.5, 0), order=3, mode="nearest")
        dark = lr.clip(0, 1) ** 1.6 * 0.6
        write_png(data / "lr" / f"{name}.png", (dark * 255).round().astype(np.uint8))
    run_download(lr="provided")
    with pytest.raises(BadImagesError, match="is shifted by so many LR pixels"):
        run_validate()
    run_validate(lr_generator="any")
    warnings = VALIDATION_REPORT.read_text()
    assert warnings.count("its LR is shifted by so many LR pixels") == len(PHOTOGRAPHS)
    assert "train/chelsea.png: its LR differs by so many gray levels" in warnings
    assert len(run_bicubic().entries) == len(PHOTOGRAPHS)
    # another image is no pair, whatever its generator
    write_png(data / "lr" / "val" / "rocket.png", textured(106, 160))
    run_download(lr="provided")
    with pytest.raises(BadImagesError, match=r"val/rocket\.jpg: its LR shows something else"):
        run_validate(lr_generator="any")


def test_stripes_have_no_shift(tmp_path: Path) -> None:
    stripes = (
        np.zeros((300, 300, 3), np.uint8) + np.arange(300, dtype=np.uint8)[None, :, None] // 9 * 9
    )
    hr, lr = tmp_path / "hr.png", tmp_path / "lr.png"
    write_png(hr, stripes)
    write_png(lr, bicubic_pair(stripes, 4)[1])
    assert check_pair((hr.name, lr.name), tmp_path, 4).lr_shift == 0
