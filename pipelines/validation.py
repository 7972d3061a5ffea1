"""Great Expectations over the picture manifest; the only module that imports it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from esrgan_core.files import write_text


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One picture that fails one expectation."""

    path: str
    what: str
    value: str
    remedy: str

    def __str__(self) -> str:
        return f"  {self.path}: {self.what} ({self.value}); {self.remedy}"


def picture_frame(manifest: pd.DataFrame, rechecked: pd.DataFrame, multiple: int) -> pd.DataFrame:
    """The manifest with what the expectations look at.

    `damage` says why a file does not decode; `width_cropped` and `height_cropped` are what is
    left after cropping to a multiple; `splits_of_content` lists the splits that hold these bytes.
    """
    frame = pd.concat([manifest.reset_index(drop=True), rechecked.reset_index(drop=True)], axis=1)
    for side in ("width", "height"):
        frame[f"{side}_cropped"] = frame[side] - frame[side] % multiple
    splits = frame.groupby("sha256")["split"].agg(lambda found: "+".join(sorted(set(found))))
    frame["splits_of_content"] = frame["sha256"].map(splits)
    return frame


def validate(
    frame: pd.DataFrame, *, min_side: int, modes: list[str], report: Path, docs: Path
) -> list[Fault]:
    """Run all expectations, write the JSON report and the HTML data docs, return the faults."""
    import great_expectations as gx  # noqa: PLC0415  takes seconds to import

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("pictures").add_dataframe_asset("manifest")
    batch = asset.add_batch_definition_whole_dataframe("all")
    suite = context.suites.add(gx.ExpectationSuite(name="pictures"))
    for expectation in _expectations(min_side, modes):
        suite.add_expectation(expectation)
    definition = context.validation_definitions.add(
        gx.ValidationDefinition(name="pictures", data=batch, suite=suite)
    )
    result = definition.run(
        batch_parameters={"dataframe": frame},
        result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["path"]},
    )
    faults = [fault for outcome in result.results for fault in _faults(outcome)]
    outcomes = [_summary(outcome) for outcome in result.results]
    content = {"success": result.success, "pictures": len(frame), "expectations": outcomes}
    write_text(report, json.dumps(content, indent=2) + "\n")
    write_text(docs / "index.html", _data_docs(result))
    return faults


def _expectations(min_side: int, modes: list[str]) -> list[Any]:
    from great_expectations import expectations as gxe  # noqa: PLC0415

    def meta(what: str, remedy: str) -> dict[str, str]:
        return {"what": what, "remedy": remedy}

    small = f"use pictures of at least {min_side} pixels a side, or lower validate.min_side"
    return [
        gxe.ExpectTableRowCountToBeBetween(min_value=3, meta=meta("too few pictures", "add some")),
        gxe.ExpectColumnDistinctValuesToContainSet(
            column="split",
            value_set=["train", "val", "test"],
            meta=meta("a split is empty", "give train, val and test a picture each"),
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="damage",
            value_set=[""],
            meta=meta("does not decode", "fetch or export it again"),
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="mode",
            value_set=modes,
            meta=meta("wrong mode", "convert it to 8-bit RGB or gray"),
        ),
        *(
            gxe.ExpectColumnValuesToBeBetween(
                column=f"{side}_cropped",
                min_value=min_side,
                meta=meta(f"{side} too small after cropping to a multiple of the scale", small),
            )
            for side in ("width", "height")
        ),
        gxe.ExpectColumnValuesToBeUnique(
            column="sha256",
            meta=meta("same content as another picture", "remove all but one of them"),
        ),
        gxe.ExpectColumnValuesToNotMatchRegex(
            column="splits_of_content",
            regex=r"\+",
            meta=meta("in several splits at once", "keep it in one split, or the test is no test"),
        ),
        gxe.ExpectColumnPairValuesToBeEqual(
            column_A="sha256",
            column_B="sha256_now",
            meta=meta("changed since download", "run `dvc repro download` again"),
        ),
    ]


def _faults(outcome: Any) -> list[Fault]:
    """The rows behind a failed expectation, or one fault for the table as a whole."""
    if outcome.success:
        return []
    meta: Mapping[str, str] = outcome.expectation_config.meta
    rows = outcome.result.get("unexpected_index_list") or [{"path": "(all)"}]
    observed = outcome.result.get("observed_value")
    return [
        Fault(
            path=str(row["path"]),
            what=meta["what"],
            value=", ".join(str(value) for key, value in row.items() if key != "path")
            or str(observed),
            remedy=meta["remedy"],
        )
        for row in rows
    ]


def _summary(outcome: Any) -> dict[str, Any]:
    config = outcome.expectation_config
    return {
        "type": config.type,
        "column": config.kwargs.get("column", config.kwargs.get("column_A", "")),
        "success": outcome.success,
        "faults": [str(fault).strip() for fault in _faults(outcome)],
    }


def _data_docs(result: Any) -> str:
    from great_expectations.render.renderer import ValidationResultsPageRenderer  # noqa: PLC0415
    from great_expectations.render.view import DefaultJinjaPageView  # noqa: PLC0415

    # the renderer cannot print NumPy's numbers
    for outcome in result.results:
        outcome.result = _plain(outcome.result)
    page: str = DefaultJinjaPageView().render(ValidationResultsPageRenderer().render(result))
    return page


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value.item() if hasattr(value, "item") else value
