"""Great Expectations over the images; the only module that imports it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from esrgan_core.files import write_text
from esrgan_core.io.resize import CONVENTIONS
from esrgan_core.strict_json import to_json
from pipelines.data.config import LrGenerator
from pipelines.data.image_table import Distribution

BLANK = 2.0
"""Gray levels of contrast below which a image shows nothing."""
BLOCKY = 0.12
ENLARGED = -12.5
"""dB; photographs have more, but for some very smooth ones, enlarged ones less."""
SHIFTED = 0.12
"""LR pixels; one HR pixel at x4 measures as 0.2."""
ANOTHER = 18.0
"""dB of PSNR from the likeliest generator, below which LR shows something else."""
DRIFTED = 0.25
"""Kullback-Leibler divergence of sizes or shapes from those of the last accepted run."""
UNSEEN = 0.02
"""Weight of sizes that the last accepted run did not have."""
LEAVE_OUT = "name it in download.exclude, or set skip_bad"


@dataclass(frozen=True, kw_only=True, slots=True)
class ValidationRules:
    """What images have to meet."""

    min_side: int
    modes: Sequence[str]
    lr_generator: LrGenerator
    accepted: Distribution | None
    """Shares of `size_class` and `shape_class` in the last accepted run; None for the first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ValidationIssue:
    """One image that fails one expectation."""

    path: str
    description: str
    value: str
    remedy: str
    is_error: bool
    """Whether it stops the pipeline, or is a warning."""

    def __str__(self) -> str:
        return f"  {self.path}: {self.description} ({self.value}); {self.remedy}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpectationResult:
    """One expectation, and what came of it."""

    expectation: str
    column: str
    description: str
    is_error: bool
    success: bool
    issues: list[ValidationIssue]


def validate(frame: pd.DataFrame, rules: ValidationRules) -> list[ExpectationResult]:
    """Hold all expectations against a image frame."""
    import great_expectations as gx  # noqa: PLC0415  takes seconds to import

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("images").add_dataframe_asset("manifest")
    batch = asset.add_batch_definition_whole_dataframe("all")
    suite = context.suites.add(gx.ExpectationSuite(name="images"))
    for expectation in _expectations(rules):
        suite.add_expectation(expectation)
    definition = context.validation_definitions.add(
        gx.ValidationDefinition(name="images", data=batch, suite=suite)
    )
    result = definition.run(
        batch_parameters={"dataframe": frame.drop(columns="thumbnail")},
        result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["path"]},
    )
    return [_result(found) for found in result.results]


def write_report(
    path: Path, results: Sequence[ExpectationResult], frame: pd.DataFrame
) -> list[str]:
    """Write the report that later stages go by; the images that they leave out.

    It says nothing of drift, which depends on the run before.
    """
    excluded = sorted({f.path for o in results for f in o.issues if f.is_error})
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


def _expectations(rules: ValidationRules) -> list[Any]:
    from great_expectations import expectations as gxe  # noqa: PLC0415

    def say(what: str, remedy: str, *, is_error: bool = True) -> dict[str, Any]:
        severity = "critical" if is_error else "warning"
        return {"meta": {"what": what, "remedy": remedy}, "severity": severity}

    def nothing_in(column: str, **words: Any) -> Any:
        return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=[""], **words)

    small = f"use images of at least {rules.min_side} pixels a side, or lower validate.min_side"
    matlab = [f"MATLAB bicubic, {name}" for name in CONVENTIONS]
    demanded = rules.lr_generator == "matlab"
    return [
        gxe.ExpectTableRowCountToBeBetween(min_value=3, **say("too few images", "add some")),
        gxe.ExpectColumnDistinctValuesToContainSet(
            column="split",
            value_set=["train", "val", "test"],
            **say("a split is empty", "give train, val and test a image each"),
        ),
        gxe.ExpectColumnPairValuesToBeEqual(
            column_A="sha256",
            column_B="sha256_now",
            **say("changed since download", "run `dvc repro download` again"),
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="mode",
            value_set=list(rules.modes),
            **say("wrong mode", f"convert it to 8-bit RGB or gray, or {LEAVE_OUT}"),
        ),
        *(
            gxe.ExpectColumnValuesToBeBetween(
                column=f"{side}_cropped",
                min_value=rules.min_side,
                **say(f"{side} too small after cropping to a multiple of the scale", small),
            )
            for side in ("width", "height")
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="contrast", min_value=BLANK, **say("blank or flat", f"{LEAVE_OUT}")
        ),
        nothing_in("same_as", **say("same content as another image", "remove all but one")),
        nothing_in(
            "leaks",
            **say("shows what a image of another split shows", f"{LEAVE_OUT}: it spoils a test"),
        ),
        nothing_in(
            "looks_like", **say("looks like another image", "keep one of them", is_error=False)
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="blockiness",
            max_value=BLOCKY,
            **say("has the blocks of JPEG", "a lossless original is better", is_error=False),
        ),
        gxe.ExpectColumnValuesToNotBeInSet(
            column="format",
            value_set=["JPEG"],
            **say("is a JPEG", "a lossless original is better", is_error=False),
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="detail_drop",
            min_value=ENLARGED,
            **say(
                "looks enlarged or blurred: no fine detail", "use the original size", is_error=False
            ),
        ),
        nothing_in("lr_problem", **say("its LR does not fit", "give the LR of this image")),
        gxe.ExpectColumnValuesToBeBetween(
            column="lr_psnr",
            min_value=ANOTHER,
            **say("its LR shows something else", "give the LR of this image"),
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="lr_shift",
            max_value=SHIFTED,
            **say("its LR is shifted by so many LR pixels", "align the pair, or make LR from HR"),
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="lr_generator",
            value_set=matlab,
            **say(
                "its LR was not made as MATLAB does",
                f"set download.lr to made{', or validate.lr_generator to any' if demanded else ''}",
                is_error=demanded,
            ),
        ),
        *(
            gxe.ExpectColumnKLDivergenceToBeLessThan(
                column=column,
                partition_object={"values": list(shares), "weights": list(shares.values())},
                threshold=DRIFTED,
                tail_weight_holdout=UNSEEN,
                **say(
                    f"{column.partition('_')[0]}s differ from the last accepted run's",
                    "see that these are the images that were meant",
                    is_error=False,
                ),
            )
            for column, shares in (rules.accepted or {}).items()
        ),
    ]


def _result(found: Any) -> ExpectationResult:
    config = found.expectation_config
    # of the expectation as a whole, or by the metric that it asked for
    info = found.exception_info
    for broken in [info] if "raised_exception" in info else info.values():
        if broken["raised_exception"]:
            raise RuntimeError(f"{config.type}: {broken['exception_message']}")
    is_error = config.severity == "critical"
    return ExpectationResult(
        expectation=config.type,
        column=config.kwargs.get("column", config.kwargs.get("column_A", "")),
        description=config.meta["what"],
        is_error=is_error,
        success=bool(found.success),
        issues=_issues(found, is_error=is_error),
    )


def _issues(found: Any, *, is_error: bool) -> list[ValidationIssue]:
    """The rows behind a failed expectation, or one issue for the table as a whole."""
    if found.success:
        return []
    meta: Mapping[str, str] = found.expectation_config.meta
    rows = found.result.get("unexpected_index_list") or [{"path": "(all)"}]
    observed = found.result.get("observed_value")
    return [
        ValidationIssue(
            path=str(row["path"]),
            description=meta["what"],
            value=", ".join(_said(value) for key, value in row.items() if key != "path")
            or _said(observed),
            remedy=meta["remedy"],
            is_error=is_error,
        )
        for row in rows
    ]


def _said(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
