"""Every format, depth and kind of alpha, with every kind of metadata, in every format of results.

Nothing is lost silently: a result holds it, or the loss is reported, or the image is refused.
"""

import struct
from io import BytesIO

import pytest

from esrgan_core.io.decoding import BadImageError
from esrgan_core.io.reading import read_image
from tests.support.image_matrix import Sample
from tests.support.image_samples import SAMPLES, refusals
from tests.support.matrix_checks import check
from tests.support.tag_bytes import Tags

ORIENTED = {
    **{f"EXIF's orientation {one}": Tags(orientation=one) for one in range(2, 9)},
    "XMP's orientation": Tags(xmp_orientation=6),
    "the same orientation in both": Tags(orientation=6, xmp_orientation=6),
    "two orientations": Tags(orientation=8, xmp_orientation=6),
    "EXIF with an orientation": Tags(exif=True, orientation=5),
}
XMP_ORIENTED = {one for one, tags in ORIENTED.items() if tags.xmp_orientation}
ALL = {
    "nothing": Tags(),
    "EXIF": Tags(exif=True),
    "EXIF, big endian": Tags(exif=True, order=">"),
    "EXIF of 70 kB": Tags(exif=True, note=70000),
    "XMP": Tags(xmp=True),
    "XMP of 80 kB": Tags(xmp=True, long_xmp=True),
    "a resolution": Tags(dpi=(300, 150)),
    "EXIF and a resolution": Tags(exif=True, dpi=(300, 150)),
    "IPTC": Tags(iptc=True),
    "a comment": Tags(comment="Rémi's comment".encode()),
    **ORIENTED,
}
CHUNKS = {
    "a text": Tags(texts=((b"tEXt", b"Author\0R\xe9mi"), (b"tEXt", b"Title\0Title"))),
    "a text in UTF-8": Tags(texts=((b"iTXt", "Author\0\0\0de\0Autor\0Rémi 雪".encode()),)),
    "cICP": Tags(colors=((b"cICP", bytes((9, 16, 0, 1))),)),
    "gAMA": Tags(colors=((b"gAMA", struct.pack(">I", 100000)),)),
    "gAMA and cHRM": Tags(
        colors=(
            (b"gAMA", struct.pack(">I", 45455)),
            (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)),
        )
    ),
    "cHRM": Tags(
        colors=(
            (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)),
        )
    ),
    "sRGB": Tags(colors=((b"sRGB", b"\0"),)),
}
HELD = {
    "png": ALL.keys() - {"a comment", "EXIF and a resolution"},
    "jpg": ALL.keys() - {"EXIF of 70 kB", "EXIF and a resolution"},
    "webp": ALL.keys() - {"IPTC", "a comment"},
    "tif": ALL.keys() - {"a comment", "EXIF, big endian"},
    "gif": {"nothing", "a comment", "XMP", "XMP's orientation"},
    "bmp": {"nothing", "a resolution"},
    "jp2": ALL.keys() - {"a comment", "a resolution", "EXIF and a resolution"},
    # Pillow, which writes them, changes EXIF with an orientation
    "avif": ALL.keys()
    - {"a comment", "a resolution", "IPTC", "EXIF with an orientation"}
    - XMP_ORIENTED,
    "other": {"nothing"},
}
"""What can be put into each format."""


def tags_for(sample: Sample) -> dict[str, Tags]:
    found = {name: tags for name, tags in ALL.items() if name in HELD[sample.format]}
    if sample.format == "avif":
        found["cICP"] = CHUNKS["cICP"]
    if sample.format in ("avif", "bmp"):
        found["an ICC profile"] = Tags(icc="rgb")
    if sample.format in ("png", "jpg", "webp", "tif"):
        found["an ICC profile"] = Tags(icc=sample.kind)
        found["an ICC profile of other colors"] = Tags(
            icc="cmyk" if sample.kind == "rgb" else "rgb"
        )
        found["an ICC profile and EXIF"] = Tags(icc=sample.kind, exif=True)
    return found | CHUNKS if sample.format == "png" else found


@pytest.mark.parametrize("name", SAMPLES)
def test_nothing_is_lost_silently(name: str) -> None:
    sample = SAMPLES[name]()
    assert not [
        f"{title}: {problem}"
        for title, tags in tags_for(sample).items()
        for problem in check(sample, tags)
    ]


@pytest.mark.parametrize("sample", refusals().values(), ids=refusals())
def test_what_cannot_be_read_is_refused_by_its_reason(sample: Sample) -> None:
    with pytest.raises(BadImageError, match=sample.refused):
        read_image(BytesIO(sample.data))
