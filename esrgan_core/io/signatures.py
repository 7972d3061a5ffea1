"""Files that Pillow does not recognize, by their first bytes."""

import re
from io import BytesIO
from pathlib import Path

REMEDY = "replace it with a PNG, JPEG, TIFF or WebP"
AGAIN = "damaged or of a kind that Pillow does not know; fetch it again, or save it as PNG or TIFF"
DESCRIPTIONS = {
    rb"$": "an empty file; fetch or export it again",
    rb"\xff\xd8\xff": f"a JPEG, {AGAIN}",
    rb"\x89PNG": f"a PNG, {AGAIN}",
    rb"8BPS": f"a file of Photoshop, {AGAIN}",
    rb"RIFF.{4}WEBP": f"a WebP, {AGAIN}",
    rb"....ftyp(hei|hev|mif1|msf1)": f"a HEIC; {REMEDY}",
    rb"....ftypcrx": f"a raw photograph; {REMEDY}",
    rb"....ftyp(?!avi)": f"a video; {REMEDY}",
    rb"\xff\x0a|\0\0\0\x0cJXL ": f"a JPEG XL; {REMEDY}",
    rb"%PDF": f"a PDF; {REMEDY}",
    rb"version https://git-lfs": "a pointer of Git LFS; run `git lfs pull`",
    rb"\s*(<!--.*?-->\s*)?<(!doctype html|html)": "a web page; fetch the image again",
    rb"\s*(<\?xml[^>]*>\s*)?(<!.*?>\s*)*<svg": f"a drawing (SVG); {REMEDY}",
}
"""Descriptions and remedies by a pattern of the beginning."""
BEGINNING = 1024


def describe_unknown(source: Path | BytesIO) -> str:
    """What a file is that is no image, and what would help, for messages."""
    if isinstance(source, BytesIO):
        beginning = source.getvalue()[:BEGINNING]
    else:
        with source.open("rb") as file:
            beginning = file.read(BEGINNING)
    for pattern, description in DESCRIPTIONS.items():
        if re.match(pattern, beginning, re.DOTALL | re.IGNORECASE):
            return f"not an image that Pillow can read: {description}"
    return f"not an image that Pillow can read; {REMEDY}"
