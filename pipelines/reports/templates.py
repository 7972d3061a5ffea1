"""Jinja templates of this package, and the table of image sets that they show."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from esrgan_core.strict_json import to_json
from pipelines.config.artifacts import MANIFEST
from pipelines.data.manifest import read_manifest
from pipelines.reports.labels import display_name, format_value

if TYPE_CHECKING:
    from jinja2 import Template


def load_template(name: str, **options: Any) -> "Template":
    """Load a template that raises an error for undefined names; `options` are Jinja's."""
    import jinja2  # noqa: PLC0415  slow to import

    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, **options)
    environment.globals.update(display_name=display_name, format_value=format_value)
    environment.policies["json.dumps_function"] = to_json  # used by the filter `tojson`
    return environment.get_template(name)


def read_manifest_table() -> pd.DataFrame:
    """The manifest of the images as a table."""
    return pd.DataFrame(list(map(asdict, read_manifest(MANIFEST))))


def summarize_sets(images: pd.DataFrame) -> list[dict[str, Any]]:
    """Count, megapixels and licenses of each set, in order of appearance."""
    return [
        {
            "split": split,
            "set": set_name,
            "count": len(rows),
            "megapixels": f"{(rows['width'] * rows['height']).sum() / 1e6:.1f}",
            "licenses": ", ".join(sorted(set(rows["license"]))),
        }
        for (split, set_name), rows in images.groupby(["split", "set"], sort=False)
    ]
