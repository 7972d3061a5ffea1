"""Load the Jinja templates of this package."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from esrgan_core.strict_json import to_json
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
