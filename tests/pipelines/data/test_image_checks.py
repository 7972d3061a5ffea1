"""Damaged images are named, whatever the damage, and none stops the check."""

import io
import os
import random
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from esrgan_core.files import file_sha256
from esrgan_core.io.rgb import write_png
from pipelines.data.catalog import CatalogEntry
from pipelines.data.image_checks import ImageCheck, check_image, check_images, summarize_problems
from pipelines.sources.checksums import ExpectedFile
from pipelines.sources.locations import RemoteFile, parse_location
from tests.conftest import textured
from tests.support import ROOT


def entry(name: str, expected: ExpectedFile | None = None) -> CatalogEntry:
    source = RemoteFile(
        location=parse_location(f"images/{name}"), expected=expected or ExpectedFile()
    )
    return CatalogEntry(name=Path(name).stem, split="train", set="s", source=source)


def checked(path: Path, expected: ExpectedFile | None = None) -> ImageCheck:
    made = entry(path.name, expected)
    target = path.parent / "images" / made.path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(path.read_bytes())
    return check_image(made, path.parent / "images")


def test_a_good_image_gets_a_row_and_statistics(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", textured(200, 220))
    found = checked(tmp_path / "a.png")
    assert found.problem == ""
    assert found.row
    assert found.quality_stats
    assert (found.row.path, found.row.width, found.row.mode) == ("train/a.png", 220, "RGB")
    assert found.row.sha256 == file_sha256(tmp_path / "a.png")
    assert found.quality_stats.format == "PNG"
    assert found.quality_stats.contrast > 10
    assert len(found.quality_stats.thumbnail) == 32 * 32


def test_a_wrong_checksum_is_a_problem(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", textured(20, 20))
    found = checked(tmp_path / "a.png", ExpectedFile(sha256="0" * 64))
    assert f"the catalog says {'0' * 64}; restore the original file" in found.problem


def test_a_missing_host_is_reported_once(tmp_path: Path) -> None:
    bad = []
    for number in range(10):
        host = "https://one" if number < 6 else "https://two"
        source = RemoteFile(
            location=parse_location(f"{host}/{number}.png"), expected=ExpectedFile()
        )
        made = CatalogEntry(name=str(number), split="train", set="s", source=source)
        place = f"sources/sha256/0{number}/{number:064}"
        problem = f"{host}: its name is not known; or get the file elsewhere and put it at {place}"
        bad.append(ImageCheck(entry=made, problem=problem))
    first, second, last = summarize_problems(bad, tmp_path / "all.csv")
    assert first.startswith("  https://one/0.png, https://one/1.png, https://one/2.png and 3 more:")
    assert "https://two/6.png, https://two/7.png, https://two/8.png and 1 more:" in second
    assert str(tmp_path / "all.csv") in last
    assert len((tmp_path / "all.csv").read_text().splitlines()) == len(bad) + 1
    assert len(summarize_problems(bad[:3], tmp_path / "few.csv")) == 1
    assert not (tmp_path / "few.csv").exists()


def test_all_problems_are_reported_together(tmp_path: Path) -> None:
    folder = tmp_path / "images" / "train"
    write_png(folder / "good.png", textured(20, 20))
    (folder / "cut.png").write_bytes((folder / "good.png").read_bytes()[:500])
    entries = [entry("good.png"), entry("cut.png"), entry("none.png")]
    done = check_images(entries, {"train/none.png": OSError("404")}, tmp_path / "images")
    messages = {one.entry.name: one.problem for one in done}
    assert messages["good"] == ""
    assert messages["cut"].startswith("damaged")
    assert messages["none"] == "404"


def test_a_blank_image_has_no_contrast(tmp_path: Path) -> None:
    Image.new("RGB", (300, 300), (9, 9, 9)).save(tmp_path / "a.png")
    found = checked(tmp_path / "a.png")
    assert found.quality_stats
    assert found.quality_stats.contrast == 0


FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP")


def originals() -> dict[str, bytes]:
    """An image in every format, and some of their variants."""
    image = Image.fromarray(textured(120, 130))
    made = {}
    for name in FORMATS:
        buffer = io.BytesIO()
        image.save(buffer, name)
        made[name.lower()] = buffer.getvalue()
    for name, options in (("tiff", {"compression": "tiff_lzw"}), ("jpeg", {"progressive": True})):
        buffer = io.BytesIO()
        image.save(buffer, name, **options)
        made[f"{name}2.{name}"] = buffer.getvalue()
    return made


def bombs() -> dict[str, bytes]:
    """Small files that ask for much."""

    def chunk(name: bytes, body: bytes) -> bytes:
        whole = name + body
        return struct.pack(">I", len(body)) + whole + struct.pack(">I", zlib.crc32(whole))

    def png(width: int, height: int, extra: bytes = b"") -> bytes:
        head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        body = chunk(b"IDAT", zlib.compress(bytes(1000)))
        return b"\x89PNG\r\n\x1a\n" + head + extra + body + chunk(b"IEND", b"")

    packed = zlib.compress(bytes(300_000_000))
    huge_tiff = bytearray(originals()["tiff"])
    at = huge_tiff.index(struct.pack("<HHI", 256, 4, 1))  # the width, a long
    huge_tiff[at + 8 : at + 12] = struct.pack("<I", 60_000_000)
    bmp = bytearray(originals()["bmp"])
    bmp[18:26] = struct.pack("<ii", 60000, 60000)
    return {
        "wide.png": png(20000, 20000),
        "endless.png": png(2**31 - 1, 2**31 - 1),
        "under the limit.png": png(9000, 9000),
        "text.png": png(8, 8, chunk(b"zTXt", b"k\0\0" + packed)),
        "profile.png": png(8, 8, chunk(b"iCCP", b"k\0\0" + packed)),
        "wide.tiff": bytes(huge_tiff),
        "wide.bmp": bytes(bmp),
    }


def mutated(data: bytes, source: random.Random) -> bytes:
    """Bits flipped, the end cut off, bytes of the header changed, a piece doubled or zeroed."""
    changed = bytearray(data)
    match source.randrange(5):
        case 0:
            for _ in range(source.randint(1, 20)):
                changed[source.randrange(len(changed))] ^= 1 << source.randrange(8)
        case 1:
            del changed[source.randrange(len(changed)) :]
        case 2:
            for _ in range(source.randint(1, 4)):
                changed[source.randrange(min(64, len(changed)))] = source.randrange(256)
        case 3:
            start = source.randrange(len(changed))
            changed[start:start] = changed[start : start + source.randrange(2000)]
        case 4:
            start = source.randrange(len(changed))
            end = min(start + source.randrange(2000), len(changed))
            changed[start:end] = bytes(end - start)
    return bytes(changed)


MEASURED = """
import sys
from pathlib import Path
from tests.support.memory import peak_kib
from tests.pipelines.data.test_image_checks import check_image, entry
folder = Path(sys.argv[1])
for path in sorted((folder / "images" / "train").iterdir()):
    found = check_image(entry(path.name), folder / "images")
    print(path.name, "|", "intact" if found.row else found.problem.replace(chr(10), " "))
print("peak", peak_kib() // 1024)
"""


def test_five_hundred_mutated_images_are_named_or_intact(tmp_path: Path) -> None:
    folder = tmp_path / "images" / "train"
    folder.mkdir(parents=True)
    source = random.Random(5)
    whole = originals()
    decoded = {}
    for number in range(500 - len(bombs())):
        name = source.choice(sorted(whole))
        path = folder / f"{number:03}.{name.rpartition('.')[2]}"
        path.write_bytes(mutated(whole[name], source))
        decoded[path.name] = name
    for name, data in bombs().items():
        (folder / name).write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    *lines, peak = done.stdout.splitlines()
    messages = dict(line.split(" | ", 1) for line in lines)
    assert len(messages) == 500
    assert int(peak.split()[1]) < 2000, "MiB"
    assert all(messages.values()), "a problem has a message"
    assert all(messages[name] != "intact" for name in bombs())
    # what is called intact decodes by other means, too
    for name, verdict in messages.items():
        if verdict == "intact":
            assert np.asarray(Image.open(folder / name)).size > 0
    named = sum(verdict != "intact" for verdict in messages.values())
    assert named > 250
