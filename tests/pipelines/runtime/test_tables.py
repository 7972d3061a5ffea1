"""Tables are read as they were written."""

import math
from pathlib import Path

import pandas as pd
import pytest

from pipelines.config.errors import UserError
from pipelines.evaluation.score_table import add_perceptual_index
from pipelines.runtime.tables import read_table

NAMES = ["NA", "nan", "NaN", "null", "None", "N/A", "", "007", "1.0", "inf", "True", 'a "b", c']


def test_names_are_text_and_numbers_keep_their_values(tmp_path: Path) -> None:
    values = [math.inf, -math.inf, math.nan, *(number / 3 for number in range(9))]
    columns = {name: NAMES for name in ("model", "set", "name")}
    before = pd.DataFrame(columns | {"psnr_y": values, "step": range(12)})
    before.to_csv(tmp_path / "table.csv", index=False)
    pd.testing.assert_frame_equal(read_table(tmp_path / "table.csv"), before)


def test_an_error_names_a_file_that_is_not_a_table(tmp_path: Path) -> None:
    for content in (b"", b"name,ma\na,1,2\nb,1,2,3\n", b"name,ma\n\xff,1\n"):
        (tmp_path / "table.csv").write_bytes(content)
        with pytest.raises(UserError, match=r"table\.csv is not a CSV table in UTF-8"):
            read_table(tmp_path / "table.csv")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("m,NA,null,\n", "model 'm', set 'NA', name 'null' has no number as ma"),
        ("m,NA,null,inf\n", "model 'm', set 'NA', name 'null' has no number as ma"),
        ("m,NA,null,7\nm,NA,null,7\n", "model 'm', set 'NA', name 'null' has more than one line"),
    ],
)
def test_an_image_has_one_score_of_ma(tmp_path: Path, lines: str, message: str) -> None:
    path = tmp_path / "ma.csv"
    frame = pd.DataFrame({"model": ["m"], "set": ["NA"], "name": ["null"], "niqe": [3.0]})
    path.write_text(f"model,set,name,ma\n{lines}", encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        add_perceptual_index(frame, path)
    path.write_text("model,set,name,ma\nm,NA,null,8\n", encoding="utf-8")
    assert add_perceptual_index(frame, path)["pi"].tolist() == [2.5]
