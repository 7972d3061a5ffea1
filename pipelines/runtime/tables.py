"""Reads CSV tables, those of stages and those of users, without changing their values."""

from pathlib import Path

import pandas as pd

from pipelines.config.errors import UserError

TEXT_COLUMNS = ("model", "set", "name", "metric", "source")
"""All other columns hold numbers."""


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV file; numbers may be infinite, and a missing number is NaN.

    By default, pandas would read an image name `NA` or `null` as missing and `007` as 7.

    Raises:
        UserError: if the file is not a table in UTF-8.
    """
    try:
        columns = pd.read_csv(path, nrows=0).columns  # noqa: TID251  the one reader
        return pd.read_csv(  # noqa: TID251
            path,
            dtype=dict.fromkeys(TEXT_COLUMNS, str),
            keep_default_na=False,
            na_values={name: ["", "nan"] for name in columns if name not in TEXT_COLUMNS},
        )
    except ValueError as error:
        raise UserError(f"{path} is not a CSV table in UTF-8 ({str(error).strip()})") from error
