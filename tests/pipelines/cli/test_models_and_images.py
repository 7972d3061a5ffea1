"""`esrgan lr`, `evaluate`, `info`, `interpolate` and `convert`, as a user types them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

from esrgan_core.io.resize import bicubic_pair, resize_pixels
from esrgan_core.io.rgb import read_rgb, write_png
from esrgan_core.models.build import to_tensors
from esrgan_core.models.configs import RRDBNetConfig
from esrgan_core.models.reading import read_weights
from esrgan_core.models.rrdb import RRDBNet
from esrgan_core.models.weights import save_weights
from pipelines.cli.app import app
from tests.conftest import textured


def esrgan(*args: object) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args])


@pytest.fixture
def hr(tmp_path: Path) -> Path:
    """A folder of three images, one of them deeper."""
    write_png(tmp_path / "HR" / "a.png", textured(50, 62, 1))
    write_png(tmp_path / "HR" / "b.png", textured(49, 61, 2))
    write_png(tmp_path / "HR" / "deep" / "c.png", textured(64, 64, 3))
    return tmp_path / "HR"


def generator(path: Path, seed: int = 0, near: Path | None = None) -> Path:
    torch.manual_seed(seed)
    network = RRDBNet(RRDBNetConfig(num_features=8, num_blocks=1, growth_channels=4))
    state = network.state_dict()
    if near:
        start = to_tensors(read_weights(near).state)
        state = {key: start[key] + 0.1 * value for key, value in state.items()}
    save_weights(path, state, network.config, {"git.commit": "abc"})
    return path


def test_lr_keeps_the_tree_and_continues_after_a_bad_file(hr: Path, tmp_path: Path) -> None:
    (hr / "bad.png").write_text("no image")
    result = esrgan("lr", hr, tmp_path / "LR", "--scale", 4)
    assert result.exit_code == 1
    assert "1 failed:" in result.output
    assert "bad.png: not an image" in result.output
    for name in ("a.png", "b.png", "deep/c.png"):
        expected = bicubic_pair(read_rgb(hr / name), 4)[1]
        assert np.array_equal(read_rgb(tmp_path / "LR" / name), expected)


def test_lr_with_another_convention_and_crop(hr: Path, tmp_path: Path) -> None:
    target = tmp_path / "small.png"
    result = esrgan(
        "lr", hr / "a.png", target, "--scale", 2, "--modcrop", 12,
        "--convention", "per_pass_uint8",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    cropped = read_rgb(hr / "a.png")[:48, :60]
    assert np.array_equal(read_rgb(target), bicubic_pair(cropped, 2, "per_pass_uint8")[1])
    wrong = esrgan("lr", hr, tmp_path / "x", "--convention", "cubic")
    assert "no convention 'cubic'; choose from double" in str(wrong.exception)


def evaluated(*args: object) -> dict[str, dict[str, float]]:
    result = esrgan("evaluate", *args, "--json")
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    return {row.pop("name"): row for row in content["images"]} | {"mean": content["mean"]}


def test_made_lr_provided_lr_and_results_have_the_same_scores(hr: Path, tmp_path: Path) -> None:
    esrgan("lr", hr, tmp_path / "LR")
    for path in (tmp_path / "LR").rglob("*.png"):
        write_png(tmp_path / "SR" / f"{path.stem}_mine.png", resize_pixels(read_rgb(path), 4))
    metrics = ("--metrics", "psnr_y,ssim_rgb")
    made = evaluated("--hr", hr, "--model", "bicubic", *metrics)
    given = evaluated("--hr", hr, "--lr", tmp_path / "LR", "--model", "bicubic", *metrics)
    results = evaluated("--hr", hr, "--sr", tmp_path / "SR", *metrics)
    assert made == given == results
    assert set(made) == {"a", "b", "c", "mean"}


def test_a_weights_file_has_its_own_scale(hr: Path, tmp_path: Path) -> None:
    model = generator(tmp_path / "g.safetensors")
    assert set(evaluated("--hr", hr, "--model", model, "--metrics", "rmse_y")) > {"a", "b"}


def test_a_bad_image_does_not_stop_an_evaluation(hr: Path) -> None:
    (hr / "bad.png").write_bytes((hr / "a.png").read_bytes()[:500])
    result = esrgan("evaluate", "--hr", hr, "--model", "bicubic", "--metrics", "psnr_y")
    assert result.exit_code == 1
    assert "mean" in result.output
    assert "bad.png: damaged" in result.output


def test_pi_needs_ma_scores_of_every_image(tmp_path: Path) -> None:
    for number in range(2):
        write_png(tmp_path / "HR" / f"{number}.png", textured(200, 204, number))
    (tmp_path / "ma.csv").write_text("name,ma\n0.png,7.5\n1,6\n")
    args = ("--hr", tmp_path / "HR", "--model", "bicubic", "--metrics", "niqe")
    assert "pi" not in evaluated(*args)["mean"]
    scores = evaluated(*args, "--ma-scores", tmp_path / "ma.csv")
    assert scores["0"]["pi"] == pytest.approx((scores["0"]["niqe"] + 10 - 7.5) / 2)
    (tmp_path / "ma.csv").write_text("name,ma\n0,7.5\n")
    result = esrgan("evaluate", *args, "--ma-scores", tmp_path / "ma.csv")
    assert result.exit_code == 1
    assert "has no score for 1" in result.output


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("a,\nb,6\n", "ma.csv: name 'a' has no number as ma"),
        ("a,NaN\nb,6\n", "ma.csv: name 'a' has no number as ma"),
        ("a,7\nb,good\n", "ma.csv: name 'b' has no number as ma"),
        ("a,7\nb,6\na,7\n", "ma.csv: name 'a' has more than one line"),
        ("a,7\nb,6\na.png,8\n", "ma.csv: 'a' has more than one line"),
    ],
)
def test_invalid_and_duplicate_ma_scores_are_named(
    hr: Path, tmp_path: Path, lines: str, message: str
) -> None:
    (tmp_path / "ma.csv").write_text(f"name,ma\n{lines}")
    args = ("--model", "bicubic", "--metrics", "niqe", "--ma-scores", tmp_path / "ma.csv")
    assert message in str(esrgan("evaluate", "--hr", hr, *args).exception)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--model", "bicubic", "--sr", "HR"), "give either --model"),
        ((), "give either --model"),
        (("--model", "bicubic", "--lr", "empty"), "has no image for a, b, c"),
        (("--model", "bicubic", "--metrics", "psnr"), "no metric psnr"),
        (("--model", "none.pth"), "no weights at none.pth"),
    ],
)
def test_invalid_arguments_are_named(hr: Path, args: tuple[str, ...], message: str) -> None:
    (hr.parent / "empty").mkdir()
    places = {"HR": hr, "empty": hr.parent / "empty"}
    result = esrgan("evaluate", "--hr", hr, *(places.get(arg, arg) for arg in args))
    assert message in str(result.exception)


def test_info_prints_what_a_file_contains(tmp_path: Path) -> None:
    printed = esrgan("info", generator(tmp_path / "g.safetensors")).output
    for text in ("RRDBNet", "x4", "esrgan-pipeline", "num_blocks", "git.commit"):
        assert text in printed


def test_related_networks_are_interpolated(tmp_path: Path) -> None:
    first = generator(tmp_path / "a.safetensors")
    second = generator(tmp_path / "b.safetensors", seed=1, near=first)
    out = tmp_path / "c.safetensors"
    assert esrgan("interpolate", first, second, "--alpha", 0.25, "-o", out).exit_code == 0
    middle, (a, b) = read_weights(out), (read_weights(path).state for path in (first, second))
    for key, value in middle.state.items():
        assert np.allclose(value, 0.75 * a[key] + 0.25 * b[key], atol=1e-7)
    assert middle.lineage["interpolated"] == "0.25"
    stranger = generator(tmp_path / "d.safetensors", seed=2)
    result = esrgan("interpolate", first, stranger, "-o", out)
    assert "unrelated" in str(result.exception)
    assert str(stranger) in str(result.exception)


def test_weights_are_converted_to_every_layout_and_back(tmp_path: Path) -> None:
    path = start = generator(tmp_path / "g.safetensors")
    for layout, name in (
        ("basicsr", "1.pth"),
        ("esrgan", "2.pth"),
        ("esrgan_old", "3.safetensors"),
        ("esrgan-pipeline", "4.safetensors"),
    ):
        result = esrgan("convert", path, tmp_path / name, "--layout", layout)
        assert result.exit_code == 0, result.output
        path = tmp_path / name
        assert read_weights(path).layout == layout
    before, after = read_weights(start).state, read_weights(path).state
    assert all(np.array_equal(before[key], after[key]) for key in before)
    wrong = esrgan("convert", start, tmp_path / "x.pth", "--layout", "keras")
    assert "no layout 'keras'; choose from esrgan-pipeline, basicsr" in str(wrong.exception)


@pytest.mark.parametrize(
    "args",
    [
        ("info", "BROKEN"),
        ("convert", "BROKEN", "new.pth", "--layout", "basicsr"),
        ("interpolate", "BROKEN", "BROKEN", "--alpha", 0.5, "-o", "new.safetensors"),
        ("evaluate", "--hr", "HR", "--model", "BROKEN", "--metrics", "psnr_y"),
        ("export", "-o", "new.onnx", "--model", "BROKEN"),
        ("upscale", "HR", "-o", "new", "--model", "BROKEN"),
    ],
    ids=lambda args: args[0],
)
def test_every_command_refuses_weights_that_are_not_finite(
    hr: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: tuple[object, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    network = RRDBNet(RRDBNetConfig(num_features=8, num_blocks=1, growth_channels=4))
    network.conv_last.bias.data[0] = float("nan")  # type: ignore[union-attr]
    broken = tmp_path / "broken.safetensors"
    save_file(network.state_dict(), broken)
    result = esrgan(*(broken if arg == "BROKEN" else arg for arg in args))
    assert result.exit_code != 0
    printed = f"{result.output}{result.exception}"
    assert "broken.safetensors: 1 of" in printed
    assert "conv_last.bias; the file is damaged" in printed
    assert not [*tmp_path.glob("new*")]


def test_results_that_are_not_finite_have_no_scores(hr: Path, tmp_path: Path) -> None:
    state = to_tensors(read_weights(generator(tmp_path / "g.safetensors")).state)
    config = RRDBNetConfig(num_features=8, num_blocks=1, growth_channels=4)
    large = {name: value * 1e12 for name, value in state.items()}
    save_weights(tmp_path / "large.safetensors", large, config, {})
    model = tmp_path / "large.safetensors"
    result = esrgan("evaluate", "--hr", hr, "--model", model, "--metrics", "psnr_y")
    assert result.exit_code == 1
    assert "a.png: the network's result is not finite; use other weights" in result.output
    assert "mean" not in result.output
