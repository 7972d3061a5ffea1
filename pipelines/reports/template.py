"""The templates of pages and cards, which lie beside this module."""

from importlib.resources import files
from typing import TYPE_CHECKING, Any

from esrgan_core.strict_json import to_json

if TYPE_CHECKING:
    from jinja2 import Template


def load_template(name: str, **options: Any) -> "Template":
    """A template that refuses names which it is not given; `options` are Jinja's."""
    import jinja2  # noqa: PLC0415  not before something is written

    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, **options)
    environment.policies["json.dumps_function"] = to_json  # of the filter `tojson`
    return environment.from_string((files("pipelines.reports") / name).read_text(encoding="utf-8"))
