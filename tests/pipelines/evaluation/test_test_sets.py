from pathlib import Path

import numpy as np
import pytest

from esrgan_core.engine.evaluation import Sample
from esrgan_core.io.rgb import write_png
from esrgan_core.metrics import METRICS
from pipelines.config.errors import UserError
from pipelines.evaluation.benchmark import score_methods
from pipelines.evaluation.methods import bicubic, load_network, network_interpolation
from pipelines.evaluation.test_sets import load_folder_samples, match_files
from tests.conftest import textured


def write_images(folder: Path, *names: str) -> Path:
    for name in names:
        write_png(folder / name, textured(32, 40))
    return folder


def test_results_of_published_code_match_their_hr(tmp_path: Path) -> None:
    hr = write_images(tmp_path / "hr", "a.png", "b.png")
    sr = write_images(tmp_path / "sr", "a_ESRGAN.png", "b.png")
    assert [(name, other and other.name) for name, _, other in match_files(hr, sr)] == [
        ("a", "a_ESRGAN.png"), ("b", "b.png"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("hr", "other", "message"),
    [
        ([], None, "no images in"),
        (["a.png", "b.png"], ["a.png"], "has no image for b of"),
        (["a.png"], ["a.png", "c.png"], r"has no image for .*c\.png"),
        (["a.png"], ["a_1.png", "a_2.png"], "has no image for a of"),
    ],
)
def test_images_without_a_match_are_named(
    tmp_path: Path, hr: list[str], other: list[str] | None, message: str
) -> None:
    (tmp_path / "hr").mkdir()
    hr_folder = write_images(tmp_path / "hr", *hr)
    others = None if other is None else write_images(tmp_path / "other", *other)
    with pytest.raises(UserError, match=message):
        match_files(hr_folder, others)


def test_sets_keep_their_names_and_hr_is_cropped(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", textured(35, 42))
    (sample,) = load_folder_samples([f"Set5={tmp_path}"], scale=4)
    assert (sample.name, sample.set) == ("a", "Set5")
    assert (np.shape(sample.hr), np.shape(sample.lr)) == ((32, 40, 3), (8, 10, 3))


@pytest.mark.parametrize("given", ["Set5", "Set5=", "=HR"])
def test_a_set_in_another_form_is_an_error(given: str) -> None:
    with pytest.raises(UserError, match="expected NAME=HR or NAME=HR,LR, got"):
        load_folder_samples([given], scale=4)


def test_errors_about_files_of_the_user_are_user_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.png").write_bytes(b"not an image")
    with pytest.raises(UserError, match=r"bad\.png"):
        load_folder_samples([f"own={tmp_path}"], scale=4)
    with pytest.raises(UserError, match=r"no weights at none\.pth"):
        load_network(Path("none.pth"))
    with pytest.raises(UserError, match=r"no weights at .*start\.safetensors"):
        network_interpolation(0.5)
    unrelated = Sample(name="a", set="own", lr=textured(8, 8), hr=textured(64, 64))
    with pytest.raises(UserError, match="do LR and HR belong together"):
        score_methods(
            {"bicubic": bicubic(4)}, [unrelated], {"psnr_y": METRICS["psnr_y"]}, 4, "test"
        )
