import json
import math

import pytest

from esrgan_core.strict_json import from_json, to_json

CONTENT = {
    "sample": {"psnr_y": math.inf, "niqe": 5.5, "loss": -math.inf, "sets": [1, {"a": None}]},
    "name_is": "a key of its own",
}


def test_what_is_not_finite_is_null_with_its_name_beside_it() -> None:
    def refuse(word: str) -> None:
        raise AssertionError(word)

    text = to_json(CONTENT | {"niqe": math.nan, "list": [math.inf]}, indent=2)
    found = json.loads(text, parse_constant=refuse)
    assert found["sample"]["psnr_y"] is None
    assert found["sample"]["psnr_y_is"] == "infinite"
    assert (found["niqe"], found["niqe_is"], found["list"]) == (None, "not a number", [None])


def test_it_is_read_as_it_was() -> None:
    assert from_json(to_json(CONTENT)) == CONTENT
    assert math.isnan(from_json(to_json({"niqe": math.nan}))["niqe"])
    with pytest.raises(json.JSONDecodeError):
        from_json("{")
