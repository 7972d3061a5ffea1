"""Load the Jinja templates of this package."""

from importlib.resources import files
from typing import TYPE_CHECKING, Any

from esrgan_core.strict_json import to_json

if TYPE_CHECKING:
    from jinja2 import Template


def load_template(name: str, **options: Any) -> "Template":
    """Load a template that raises an error for undefined names; `options` are Jinja's."""
    import jinja2  # noqa: PLC0415  slow to import

    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, **options)
    environment.policies["json.dumps_function"] = to_json  # used by the filter `tojson`
    return environment.from_string((files(__package__) / name).read_text(encoding="utf-8"))
