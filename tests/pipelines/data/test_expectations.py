import json
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest

from esrgan_core.io.inspection import inspect_image
from esrgan_core.io.rgb import write_png
from pipelines.data.config import ValidationRules
from pipelines.data.expectations import ValidationIssue, validate, write_report
from pipelines.data.image_table import distribution, image_table
from pipelines.data.lr_checks import LrCheck
from pipelines.reports.data_docs import write_data_docs
from tests.conftest import textured

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
RULES = ValidationRules(min_side=200, modes=["RGB", "L"])
PAIR_COLUMNS = list(LrCheck.__dataclass_fields__)
QUALITY_STATS = ("format", "contrast", "blockiness", "detail_drop", "thumbnail")


@pytest.fixture(scope="module")
def thumbnails(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Of four images that have nothing in common."""
    folder = tmp_path_factory.mktemp("images")
    for seed, name in enumerate("abcd"):
        write_png(folder / f"{name}.png", textured(96, 96, seed))
    return {name: inspect_image(folder / f"{name}.png").thumbnail.tobytes() for name in "abcd"}


def frame(thumbnails: dict[str, bytes], **changes: Mapping[str, object]) -> pd.DataFrame:
    """Three good images, some columns of some of them changed, and others added."""
    same: dict[str, object] = {
        "kind": "hr", "set": "own", "license": "l", "width": 300, "height": 301, "mode": "RGB",
        "format": "PNG", "contrast": 50.0, "blockiness": 0.01, "detail_drop": -3.0,
    }  # fmt: skip
    rows = {
        name: same
        | {"path": f"{split}/{name}.png", "split": split, "sha256": name, "sha256_now": name}
        | {"thumbnail": thumbnails[name]}
        for name, split in (("a", "train"), ("b", "val"), ("c", "test"))
    }
    pairs = {}
    for name, change in changes.items():
        row = rows.setdefault(name, dict(rows["a"]))
        row.update({key: value for key, value in change.items() if not key.startswith("lr_")})
        lr = {key: value for key, value in change.items() if key.startswith("lr_")}
        if lr:
            matlab = {"lr_problem": "", "lr_generator": "MATLAB bicubic, double"}
            equal = {"lr_shift": 0.0, "lr_difference": 0.0, "lr_correlation": 1.0}
            pairs[name] = {"path": row["path"]} | equal | matlab | lr
    table = pd.DataFrame(rows.values())
    return image_table(
        table.drop(columns=list(QUALITY_STATS)),
        table[["path", *QUALITY_STATS]],
        pd.DataFrame(pairs.values(), columns=PAIR_COLUMNS),
        4,
    )


def issues(table: pd.DataFrame, rules: ValidationRules = RULES) -> list[ValidationIssue]:
    return [issue for result in validate(table, rules, None) for issue in result.issues]


def test_good_images_pass(tmp_path: Path, thumbnails: dict[str, bytes]) -> None:
    table = frame(thumbnails)
    results = validate(table, RULES, None)
    assert all(result.success for result in results)
    assert write_report(tmp_path / "report.json", results, table) == []
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["success"]
    assert report["images"] == 3
    write_data_docs(tmp_path / "index.html", results, table, None)
    page = (tmp_path / "index.html").read_text()
    assert "expect_column_values_to_be_between" in page
    assert "http" not in page, "the page needs nothing from anywhere"


def test_the_docs_show_issues_and_escape_names(
    tmp_path: Path, thumbnails: dict[str, bytes]
) -> None:
    table = frame(thumbnails, a={"path": "train/<b>.png", "contrast": 0.1})
    write_data_docs(
        tmp_path / "index.html", validate(table, RULES, None), table, distribution(table)
    )
    page = (tmp_path / "index.html").read_text()
    assert "train/&lt;b&gt;.png" in page
    assert "data:image/webp;base64" in page
    assert "(before 100%)" in page


TWIN = {"path": "train/d.png", "sha256": "d", "sha256_now": "d"}


@pytest.mark.parametrize(
    ("changes", "path", "what", "is_error"),
    [
        ({"a": {"width": 199}}, "train/a.png", "width too small", True),
        ({"b": {"mode": "RGBA"}}, "val/b.png", "wrong mode", True),
        ({"a": {"sha256_now": "z"}}, "train/a.png", "changed since download", True),
        ({"d": {"path": "train/d.png"}}, "train/d.png", "same content", True),
        ({"d": TWIN}, "train/d.png", "looks like another", False),
        (
            {"d": TWIN | {"path": "test/d.png", "split": "test"}},
            "train/a.png",
            "of another",
            True,
        ),
        ({"d": TWIN | {"path": "val/d.png", "split": "val"}}, "train/a.png", "of another", True),
        ({"a": {"contrast": 1.0}}, "train/a.png", "blank or flat", True),
        ({"a": {"blockiness": 0.3}}, "train/a.png", "shows JPEG blocks", False),
        ({"a": {"format": "JPEG"}}, "train/a.png", "is a JPEG", False),
        ({"a": {"detail_drop": -20.0}}, "train/a.png", "looks enlarged", False),
        ({"a": {"lr_problem": "it has 3x3 pixels"}}, "train/a.png", "does not fit", True),
        (
            {"a": {"lr_generator": "OpenCV INTER_CUBIC"}},
            "train/a.png",
            "not MATLAB's",
            True,
        ),
        ({"a": {"lr_shift": 0.2}}, "train/a.png", "shifted by so many LR pixels", True),
        ({"a": {"lr_difference": 33.0}}, "train/a.png", "differs by so many gray levels", True),
        ({"a": {"lr_correlation": 0.4}}, "train/a.png", "something else", True),
    ],
)
def test_each_issue_names_its_image_and_remedy(
    thumbnails: dict[str, bytes],
    changes: dict[str, dict[str, object]],
    path: str,
    what: str,
    is_error: bool,
) -> None:
    found = issues(frame(thumbnails, **changes))
    (match,) = [issue for issue in found if what in issue.description]
    assert match.path == path
    assert match.remedy
    assert match.is_error == is_error


def test_sides_are_measured_after_cropping(thumbnails: dict[str, bytes]) -> None:
    assert issues(frame(thumbnails, a={"height": 203, "width": 203}, b={"height": 202})) == []


def test_provided_lr_of_any_generator_can_be_allowed(thumbnails: dict[str, bytes]) -> None:
    table = frame(thumbnails, a={"lr_generator": "unknown"})
    free = ValidationRules(min_side=200, modes=["RGB"], lr_generator="any")
    (issue,) = issues(table, free)
    assert not issue.is_error
    assert issue.remedy == "set download.lr to made"


def test_tolerances_of_provided_lr_are_parameters_and_warnings_for_any_generator(
    thumbnails: dict[str, bytes],
) -> None:
    table = frame(thumbnails, a={"lr_shift": 0.5, "lr_difference": 60.0})

    def errors(**rules: object) -> list[bool]:
        return [
            issue.is_error
            for issue in issues(table, ValidationRules(min_side=200, modes=["RGB"], **rules))  # type: ignore[arg-type]
        ]

    assert errors() == [True, True]
    assert errors(lr_generator="any") == [False, False]
    assert errors(lr_shift=0.5, lr_difference=60.0) == []
    with pytest.raises(ValueError, match="lr_shift must be at least 0 and finite, got -1"):
        errors(lr_shift=-1.0)


def test_an_empty_split_is_an_error(thumbnails: dict[str, bytes]) -> None:
    (issue,) = issues(frame(thumbnails, b={"split": "train", "path": "train/b.png"}))
    assert (issue.description, issue.path) == ("a split is empty", "(all)")


def test_changed_sizes_are_a_warning_that_is_not_in_the_report(
    tmp_path: Path, thumbnails: dict[str, bytes]
) -> None:
    before = frame(thumbnails)
    small = frame(thumbnails, **{name: {"width": 1200, "height": 1000} for name in "abc"})
    reports = []
    for table, drifts in ((before, 0), (small, 2)):
        results = validate(table, RULES, distribution(before))
        found = [issue for result in results for issue in result.issues]
        assert len(found) == drifts
        assert not any(issue.is_error for issue in found)
        write_report(tmp_path / "report.json", results, table)
        reports.append((tmp_path / "report.json").read_text())
    assert reports[0] == reports[1]


def test_a_broken_expectation_raises_an_error(thumbnails: dict[str, bytes]) -> None:
    table = frame(thumbnails).drop(columns="contrast")
    with pytest.raises(RuntimeError, match="contrast"):
        validate(table, RULES, None)
