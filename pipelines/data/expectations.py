"""Great Expectations over the image table; the only module that imports it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from esrgan_core.files import write_text
from esrgan_core.io.resize import CONVENTIONS
from esrgan_core.strict_json import to_json
from pipelines.data.config import ValidationRules
from pipelines.data.image_table import Distribution

MIN_CONTRAST = 2.0
"""Gray levels; blank images have less."""
MAX_BLOCKINESS = 0.12
MIN_DETAIL_DROP = -12.5
"""dB; enlarged images have less, and so have a few very smooth photographs."""
MIN_LR_CORRELATION = 0.5
"""Of luma with our LR. It was at least 0.83 for LR that is shifted by half a pixel and much darker,
and at most 0.54 for all but 1 % of pairs of different images."""
MAX_DRIFT = 0.25
"""Kullback-Leibler divergence of sizes or shapes from those of the last accepted run."""
NEW_WEIGHT = 0.02
"""Weight of sizes that the last accepted run did not have."""
LEAVE_OUT = "name it in download.exclude, or set skip_bad"
LOSSLESS = "a lossless original is better"


@dataclass(frozen=True, kw_only=True, slots=True)
class ValidationIssue:
    """One image that fails one expectation: an error, or a warning."""

    path: str
    description: str
    value: str
    remedy: str
    is_error: bool

    def __str__(self) -> str:
        return f"  {self.path}: {self.description} ({self.value}); {self.remedy}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpectationResult:
    """Result of one expectation."""

    expectation: str
    column: str
    description: str
    is_error: bool
    success: bool
    issues: list[ValidationIssue]


def validate(
    frame: pd.DataFrame, rules: ValidationRules, accepted: Distribution | None
) -> list[ExpectationResult]:
    """Validate an image table; `accepted` is the distribution of the last accepted run, if any."""
    import great_expectations as gx  # noqa: PLC0415  great_expectations is slow

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    batch = context.data_sources.pandas_default.read_dataframe(frame.drop(columns="thumbnail"))
    expectations = [*_image_rules(rules), *_lr_rules(rules), *_drift_rules(accepted or {})]
    result = batch.validate(
        gx.ExpectationSuite(name="images", expectations=expectations),
        result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["path"]},
    )
    return [_parse_result(found) for found in result.results]


def write_report(
    path: Path, results: Sequence[ExpectationResult], frame: pd.DataFrame
) -> list[str]:
    """Write the report that later stages read; returns the images that they leave out.

    It does not contain drift, which depends on the previous run.
    """
    errors = [issue for result in results if result.is_error for issue in result.issues]
    excluded = sorted({issue.path for issue in errors})
    content = {
        "success": not excluded,
        "images": len(frame),
        "excluded": excluded,
        "expectations": [
            {
                "type": result.expectation,
                "column": result.column,
                "is_error": result.is_error,
                "success": result.success,
                "issues": [str(issue).strip() for issue in result.issues],
            }
            for result in results
            if result.column not in ("size_class", "shape_class")
        ],
    }
    write_text(path, to_json(content, indent=2) + "\n")
    return excluded


def _expect(kind: str, description: str, remedy: str, *, is_error: bool = True, **args: Any) -> Any:
    from great_expectations import expectations  # noqa: PLC0415  great_expectations is slow

    severity = "critical" if is_error else "warning"
    meta = {"description": description, "remedy": remedy}
    return getattr(expectations, f"Expect{kind}")(meta=meta, severity=severity, **args)


def _between(column: str, low: float | None, high: float | None, *words: str, **args: Any) -> Any:
    kind = "ColumnValuesToBeBetween"
    return _expect(kind, *words, column=column, min_value=low, max_value=high, **args)


def _in_set(column: str, values: Sequence[str], *words: str, **args: Any) -> Any:
    return _expect("ColumnValuesToBeInSet", *words, column=column, value_set=values, **args)


def _image_rules(rules: ValidationRules) -> list[Any]:
    low, small = rules.min_side, "too small after cropping to a multiple of the scale"
    larger = f"use images of at least {low} pixels per side, or lower validate.min_side"
    return [
        _expect("TableRowCountToBeBetween", "too few images", "add images", min_value=3),
        _expect(
            "ColumnDistinctValuesToContainSet", "a split is empty",
            "add an image each for train, val and test",
            column="split", value_set=["train", "val", "test"],
        ),
        _expect(
            "ColumnPairValuesToBeEqual", "changed since download", "run `dvc repro download` again",
            column_A="sha256", column_B="sha256_now",
        ),
        _in_set(
            "mode", list(rules.modes), "wrong mode",
            f"convert it to 8-bit RGB or gray, or {LEAVE_OUT}",
        ),
        _between("width_cropped", low, None, f"width {small}", larger),
        _between("height_cropped", low, None, f"height {small}", larger),
        _between("contrast", MIN_CONTRAST, None, "blank or flat", LEAVE_OUT),
        _in_set("same_as", [""], "same content as another image", "remove all but one"),
        _in_set(
            "leaks", [""], "duplicate of an image of another split",
            f"{LEAVE_OUT}; otherwise test scores are not valid",
        ),
        _in_set("looks_like", [""], "looks like another image", "keep one of them", is_error=False),
        _between(
            "blockiness", None, MAX_BLOCKINESS, "shows JPEG blocks", LOSSLESS, is_error=False
        ),
        _expect(
            "ColumnValuesToNotBeInSet", "is a JPEG", LOSSLESS, is_error=False,
            column="format", value_set=["JPEG"],
        ),
        _between(
            "detail_drop", MIN_DETAIL_DROP, None, "looks enlarged or blurred: no fine detail",
            "use the original size", is_error=False,
        ),
    ]  # fmt: skip


def _lr_rules(rules: ValidationRules) -> list[Any]:
    fit = "provide the LR of this image"
    must_be_matlab = rules.lr_generator == "matlab"
    return [
        _in_set("lr_problem", [""], "its LR does not fit", fit),
        _between("lr_correlation", MIN_LR_CORRELATION, None, "its LR shows something else", fit),
        _between(
            "lr_shift", None, rules.lr_shift, "its LR is shifted by so many LR pixels",
            "align the pair, make LR from HR, or increase validate.lr_shift",
            is_error=must_be_matlab,
        ),
        _between(
            "lr_difference", None, rules.lr_difference, "its LR differs by so many gray levels",
            "use the same exposure, make LR from HR, or increase validate.lr_difference",
            is_error=must_be_matlab,
        ),
        _in_set(
            "lr_generator", [f"MATLAB bicubic, {name}" for name in CONVENTIONS],
            "its LR is not MATLAB's bicubic",
            "set download.lr to made" + (", or validate.lr_generator to any" * must_be_matlab),
            is_error=must_be_matlab,
        ),
    ]  # fmt: skip


def _drift_rules(accepted: Distribution) -> list[Any]:
    return [
        _expect(
            "ColumnKLDivergenceToBeLessThan",
            f"{column.partition('_')[0]}s differ from those of the last accepted run",
            "check that these are the intended images",
            is_error=False,
            column=column,
            partition_object={"values": list(shares), "weights": list(shares.values())},
            threshold=MAX_DRIFT,
            tail_weight_holdout=NEW_WEIGHT,
        )
        for column, shares in accepted.items()
    ]


def _parse_result(found: Any) -> ExpectationResult:
    config = found.expectation_config
    # of the expectation as a whole, or by metric
    info = found.exception_info
    for exception in [info] if "raised_exception" in info else info.values():
        if exception["raised_exception"]:
            raise RuntimeError(f"{config.type}: {exception['exception_message']}")
    is_error = config.severity == "critical"
    rows = found.result.get("unexpected_index_list") or [{"path": "(all)"}]
    issues = [
        ValidationIssue(
            path=str(row["path"]),
            value=", ".join(_format(value) for key, value in row.items() if key != "path")
            or _format(found.result.get("observed_value")),
            is_error=is_error,
            **config.meta,
        )
        for row in rows
        if not found.success
    ]
    return ExpectationResult(
        expectation=config.type,
        column=config.kwargs.get("column", config.kwargs.get("column_A", "")),
        description=config.meta["description"],
        is_error=is_error,
        success=bool(found.success),
        issues=issues,
    )


def _format(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
