"""What the papers report, for x4 and luma, to set our figures beside."""

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file, files

from pipelines.runtime.tables import read_table

SCALE = 4
"""The one that the figures are for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedResult:
    """A figure of a paper."""

    value: float
    source: str


def published_result(model: str, set_name: str, metric: str, scale: int) -> PublishedResult | None:
    """A method's published figure on a set; None where there is none that could be compared.

    Sets are known by name, whatever its case. SSIM of the SRGAN paper is left out, since it was
    measured by other code.

    >>> published_result("bicubic", "Set5", "psnr_y", 4).value
    28.42
    """
    if scale != SCALE:
        return None
    return _table().get((model, set_name.lower(), metric))


@lru_cache(maxsize=1)
def _table() -> dict[tuple[str, str, str], PublishedResult]:
    with as_file(files("pipelines.reports") / "published.csv") as path:
        rows = read_table(path).to_dict("records")
    return {
        (row["model"], row["set"], row["metric"]): PublishedResult(
            value=float(row["value"]), source=row["source"]
        )
        for row in rows
    }
