"""The HTML report in a real browser: what moves, what is requested, and what must not run."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page

from esrgan_core.engine.evaluation import Sample, ScoredImage
from pipelines.config.artifacts import ALPHA_GRID, IMAGE_GRID, MANIFEST
from pipelines.data.manifest import ManifestRow, write_manifest
from pipelines.evaluation.alpha_selection import AlphaChoice, write_choice
from pipelines.evaluation.benchmark import Evaluation
from pipelines.reports.html_report import View, collect_views, write_html_report
from tests.conftest import textured
from tests.support.browser import browser_page, screenshot_folder

HOSTILE = (
    "<script>window.ran=1</script>",
    "\"><img src=x onerror='window.ran=1'>",
    "'-window.ran=1-'",
    "</script><script>window.ran=1</script>",
    "<svg onload=window.ran=1>",
    "{{ 7 * 7 }}${window.ran=1}",
    '<a href="javascript:window.ran=1">x</a>',
    "<iframe srcdoc='<script>parent.ran=1</script>'>",
    "&lt;script&gt;window.ran=1&lt;/script&gt;",
    "$\\frac{1}{$ \\ <!-- </style><style>*{display:none}</style>",
)
METHODS = ("bicubic", "srgan", "pretrained", "interpolated", "finetuned")
MEASURED = ("psnr_y", "ssim_y", "rmse_y", "niqe")


def scored(sample: Sample, seed: int) -> ScoredImage:
    random = np.random.default_rng(seed)
    values = {metric: float(random.uniform(1, 30)) for metric in MEASURED}
    height, width, _ = np.shape(sample.hr)
    sr = textured(height, width, seed=seed)
    return ScoredImage(name=sample.name, set=sample.set, sr=sr, values=values)


def write_report(
    path: Path, names: Sequence[str], set_name: str, size: tuple[int, int] = (300, 340)
) -> list[View]:
    """Write a report of images with these names; their views."""
    height, width = size
    samples = [
        Sample(
            name=f"test/x/{name.replace('/', '')}",
            set=set_name,
            lr=textured(height // 4, width // 4, seed=number),
            hr=textured(height, width, seed=100 + number),
        )
        for number, name in enumerate(names)
    ]
    images = {
        method: [scored(sample, 10 * place + n) for n, sample in enumerate(samples)]
        for place, method in enumerate(METHODS)
    }
    rows = [
        {"model": method, "set": one.set, "name": one.name.rpartition("/")[2], **one.values}
        for method, results in images.items()
        for one in results
    ]
    between = {
        alpha: [scored(sample, 200 + place) for sample in samples]
        for place, alpha in enumerate((0.2, 0.6))
    }
    evaluation = Evaluation(frame=pd.DataFrame(rows), shown=samples, images=images)
    views = collect_views(evaluation, between, 0.8)
    write_html_report(path, evaluation, views, scale=4, trainings=())
    return views


def write_files(set_name: str, texts: tuple[str, ...]) -> None:
    """Write the files that the report reads."""
    for path in (ALPHA_GRID, IMAGE_GRID, MANIFEST):
        path.parent.mkdir(parents=True, exist_ok=True)
    grid = pd.DataFrame(
        {"alpha": [0.0, 1.0], "set": set_name, "psnr_y": [30.0, 28.0], "niqe": [7.0, 5.0]}
    )
    write_choice(AlphaChoice(alpha=0.8, why="given", within_bound=True, values={}))
    grid.to_csv(ALPHA_GRID, index=False)
    grid.to_csv(IMAGE_GRID, index=False)
    rows = [
        ManifestRow(
            path=f"test/x/{number}.png", kind="hr", split="test", set=set_name,
            width=340, height=300, mode=text, sha256="0" * 64,
            license=text, origin=text, citation=text,
        )
        for number, text in enumerate(texts)
    ]  # fmt: skip
    write_manifest(MANIFEST, rows)


@pytest.fixture
def page_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ESRGAN_STATE", str(tmp_path))
    monkeypatch.setenv("ESRGAN_RUN", "a-run")
    return tmp_path / "index.html"


@pytest.fixture
def opened(page_file: Path) -> Iterator[tuple[Page, list[str]]]:
    write_files("Set5", ("CC0",))
    write_report(page_file, ("one", "two"), "Set5")
    with browser_page() as (page, messages):
        page.goto(page_file.as_uri())
        yield page, messages


def test_sliders_keys_and_clicks_change_the_view(
    opened: tuple[Page, list[str]], tmp_path: Path
) -> None:
    page, messages = opened
    stage = page.locator("#stage")
    shots = [stage.screenshot()]

    def changed(what: str) -> None:
        page.wait_for_timeout(60)
        shot = stage.screenshot()
        assert shot != shots[-1], what
        shots.append(shot)

    box = stage.bounding_box()
    assert box
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] - 200, middle[1])
    page.mouse.up()
    changed("the bar is dragged")
    page.locator("#alpha").evaluate(
        "one => { one.value = 0; one.dispatchEvent(new Event('input')) }"
    )
    changed("the alpha slider")
    assert page.locator("#right-label").inner_text() == "alpha 0 (pretrained)"
    page.locator("#left-select").select_option(label="SRGAN")
    changed("another result on the left")
    stage.focus()
    for key in ("ArrowRight", "ArrowUp", "+", "]", "x", "-"):
        page.keyboard.press(key)
        changed(key)
    page.mouse.move(*middle)
    page.mouse.wheel(0, -300)
    changed("the wheel")
    page.locator("#tiles figure").nth(1).click()
    changed("a click on a tile")
    page.screenshot(path=screenshot_folder(tmp_path) / "viewer.png", full_page=True)
    assert messages == []


def test_all_views_show_the_same_place(opened: tuple[Page, list[str]]) -> None:
    page, _ = opened
    page.locator("#stage").focus()
    for key in ("+", "+"):
        page.keyboard.press(key)
    places = page.evaluate(
        """() => [...document.querySelectorAll('.tile, .stage')].map((one) => {
            const image = one.querySelector('img').getBoundingClientRect();
            const area = one.getBoundingClientRect();
            return [(image.left - area.left) / area.width, image.width / area.width];
        })"""
    )
    assert len(places) == 1 + 8
    assert all(place == pytest.approx([-0.625, 2.25], abs=0.01) for place in places)


def test_the_page_shows_the_pixels_of_the_results(page_file: Path) -> None:
    write_files("Set5", ("CC0",))
    views = write_report(page_file, ("one",), "Set5")
    images = embedded_images(page_file)
    assert [view["title"] for view in images[0]["views"]] == [
        "bicubic", "SRGAN", "alpha 0 (pretrained)", "alpha 0.2", "alpha 0.6", "alpha 0.8",
        "alpha 1 (finetuned)", "HR",
    ]  # fmt: skip
    side = images[0]["side"]
    left, top = (round(images[0]["box"][key] * size / 100) for key, size in
                 (("left", 340), ("top", 300)))  # fmt: skip
    from base64 import b64decode
    from io import BytesIO

    from PIL import Image

    for view, own in zip(images[0]["views"], views, strict=True):
        data = b64decode(view["uri"].partition(",")[2])
        shown = np.asarray(Image.open(BytesIO(data)).convert("RGB"))
        whole = own.images[0].sr
        assert np.array_equal(shown, whole[top : top + side, left : left + side]), view["title"]


def embedded_images(path: Path) -> list[dict[str, Any]]:
    text = path.read_text()
    found = re.search(r'id="images"[^>]*>(.*?)</script>', text, re.DOTALL)
    assert found
    return list(json.loads(found[1]))


def test_hostile_names_and_metadata_are_shown_as_text(
    page_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ESRGAN_RUN", HOSTILE[3])
    with browser_page() as (page, messages):
        for number, text in enumerate(HOSTILE):
            write_files(text, HOSTILE)
            write_report(page_file, (text, "other"), text, size=(64, 80))
            page.goto(page_file.as_uri())
            page.locator("#image-select").select_option(index=1)
            page.locator("#tiles figure").first.click()
            page.locator("details").first.evaluate("one => { one.open = true }")
            page.wait_for_timeout(50)
            assert page.evaluate("window.ran") is None, text
            assert page.locator("h3", has_text=text).count() >= 1, text
            assert page.locator("h2").first.is_visible()
            assert messages == [], text
            if number == 0:
                page.screenshot(path=screenshot_folder(tmp_path) / "hostile.png")


def test_a_page_of_many_large_images_has_a_limited_size(page_file: Path) -> None:
    names = tuple(f"p{number}" for number in range(10))
    write_files("Set5", ("CC0",))
    write_report(page_file, names, "Set5")
    assert page_file.stat().st_size <= 15 * 10**6
    left_out = 10 - len(embedded_images(page_file))
    text = page_file.read_text()
    assert ("more would have made this page too large" in text) == (left_out > 0)


def test_published_results_are_next_to_ours(page_file: Path) -> None:
    write_files("Set5", ("CC0",))
    write_report(page_file, ("one",), "Set5")
    text = page_file.read_text()
    assert "paper 28.42" in text
    assert "paper 29.40" in text
    assert "Ledig et al. 2017, table 2" in text
