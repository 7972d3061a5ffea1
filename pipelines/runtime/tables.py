"""Tables as CSV, those that stages leave and those that users give: read as they were written."""

from pathlib import Path

import pandas as pd

TEXTS = ("model", "set", "name", "metric", "source")
"""Columns of text; all others hold numbers."""


def read_table(path: Path) -> pd.DataFrame:
    """A CSV file: text as it stands, numbers that may be infinite, NaN where one is missing.

    pandas by itself takes a image that is called `NA`, `null` or `007` for something else.

    Raises:
        ValueError: if it is no table of UTF-8 text; names the file.
    """
    try:
        columns = pd.read_csv(path, nrows=0).columns  # noqa: TID251  the one reader
        return pd.read_csv(  # noqa: TID251
            path,
            dtype=dict.fromkeys(TEXTS, str),
            keep_default_na=False,
            na_values={name: ["", "nan"] for name in columns if name not in TEXTS},
        )
    except ValueError as error:
        raise ValueError(f"{path} is no table of UTF-8 text ({str(error).strip()})") from error
