"""Reads and writes CSV tables without changing their values."""

from pathlib import Path

import pandas as pd

from esrgan_core.files import atomic_path
from pipelines.config.errors import UserError

TEXT_COLUMNS = ("model", "set", "name", "metric", "source")
"""All other columns hold numbers."""


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV file; numbers may be infinite, and a missing number is NaN.

    By default, pandas would read an image name `NA` or `null` as missing and `007` as 7. A file
    that is not a table in UTF-8 is a UserError.
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


def write_table(path: Path, frame: pd.DataFrame, float_format: str | None = "%.6f") -> None:
    """Write a CSV table atomically; `float_format` None keeps all digits."""
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index=False, float_format=float_format)
