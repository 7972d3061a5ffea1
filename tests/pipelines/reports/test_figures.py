from itertools import combinations
from pathlib import Path

import pandas as pd
import pytest

from pipelines.reports.figures import curves_figure, save_figure


@pytest.mark.parametrize("size", [-123_456.0, -0.0083, 0.5])
def test_curves_leave_room_for_numbers_and_titles(size: float) -> None:
    names = ["val/detail_ratio", *(f"g/{number}" for number in range(8))]
    rows = [{"step": 1000 * step, **dict.fromkeys(names, size * (1 + step / 7))} for step in (1, 2)]
    figure = curves_figure("finetune", pd.DataFrame(rows))
    figure.draw_without_rendering()
    boxes = [axis.get_tightbbox() for axis in figure.axes]
    assert len(boxes) == len(names)
    for box in boxes:
        assert box is not None
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
    assert not any(one.overlaps(other) for one, other in combinations(filter(None, boxes), 2))


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_equal_figures_give_equal_bytes(tmp_path: Path, suffix: str) -> None:
    curve = pd.DataFrame({"step": [1, 2], "loss": [3.0, 2.0]})
    files = [tmp_path / f"{number}{suffix}" for number in range(2)]
    for file in files:
        save_figure(curves_figure("pretrain", curve), file)
    first, second = (file.read_bytes() for file in files)
    assert first == second
