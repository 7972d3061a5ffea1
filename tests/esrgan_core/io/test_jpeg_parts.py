"""Videos and gain maps that phones append to a JPEG."""

import pytest

from esrgan_core.io.decoded_image import FORMATS, Format
from tests.support.metadata import converted, saved

PHONE = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Label="violet"'
    b'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MotionPhoto="1"'
    b' xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0">'
    b"<GCamera:MicroVideo>1</GCamera:MicroVideo></rdf:Description></rdf:RDF></x:xmpmeta>"
)


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize(
    ("rest", "what"), [(b"\0\0\0\x18ftypmp42", "a video"), (saved("JPEG"), "data")]
)
def test_what_follows_the_image_is_reported(
    rest: bytes, what: str, *, progressive: bool, format_: Format
) -> None:
    image = saved("JPEG", progressive=progressive, xmp=PHONE, restart_marker_blocks=1)
    data, changes = converted(image + rest, format_)
    assert f"{what} of {len(rest)} bytes after the image was dropped" in changes
    for gone in (b"MotionPhoto", b"MicroVideo", b"hdrgm:Version"):
        assert gone not in data
    assert b"violet" in data


def test_padding_after_the_image_is_not_reported() -> None:
    assert converted(saved("JPEG") + bytes(4096), "png")[1] == ()
