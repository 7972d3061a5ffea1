"""Pictures as they are: every mode that is met with, its alpha and metadata, in and out of files.

What `esrgan_core.image` refuses for training, since it would change the picture, is kept here: 8
and 16 bits by type and never by value, gray, alpha, CMYK, profiles, EXIF and XMP.
"""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Shaped
from PIL import Image, ImageCms, ImageOps
from PIL.TiffImagePlugin import ImageFileDirectory_v2
from scipy.ndimage import distance_transform_edt

from esrgan_core.files import atomic_path
from esrgan_core.image import BadImageError, headed, opened

Format = Literal["png", "jpg", "webp", "tif"]
FORMATS: tuple[Format, ...] = get_args(Format)
SUFFIX_FORMATS: dict[str, Format] = {
    ".png": "png", ".jpg": "jpg", ".jpeg": "jpg", ".webp": "webp", ".tif": "tif", ".tiff": "tif",
}  # fmt: skip
MOST_SIDE: dict[Format, int] = {"png": 2**31 - 1, "jpg": 65535, "webp": 16383, "tif": 2**31 - 1}
"""Pixels a side that a format can hold."""
Kind = Literal["gray", "rgb", "cmyk"]
KINDS: dict[int, Kind] = {1: "gray", 3: "rgb", 4: "cmyk"}
QUALITY = 95
"""Of JPEG, where nothing else is said; WebP is lossless then."""
STREAMED = 2**30
"""Bytes of a TIFF's pixels from which on they are written as they come, uncompressed."""

ORIENTATION, EXIF_IFD, GPS_IFD, RESOLUTION_UNIT = 0x0112, 0x8769, 0x8825, 0x0128
WIDTH_TAG, HEIGHT_TAG, XMP_TAG, ICC_TAG = 0xA002, 0xA003, 700, 34675
DESCRIBING = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)
"""Tags beside the pixels': description, make, model, software, date, artist, copyright."""
XMP_KEYWORD = b"XML:com.adobe.xmp"
TURNED = (5, 6, 7, 8)
"""Orientations that exchange height and width."""
ASCII = 2
LONG = 4

Array = Shaped[np.ndarray, "_ _ _"]
Plane = Shaped[np.ndarray, "_ _"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Metadata:
    """What a file says of its picture; empty where it says nothing."""

    exif: bytes = b""
    """From `Exif` on; the orientation is not in it, since it has been applied."""
    icc: bytes = b""
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """Pixels, upright, with what belongs to them."""

    pixels: Array
    """One channel for gray, three for RGB, four for CMYK. `uint8` and `uint16` span black to
    white, `float32` does so from 0 to 1."""
    alpha: Plane | None = None
    """Opaqueness in the type of the pixels."""
    metadata: Metadata = field(default_factory=Metadata)
    format: str = ""
    """Pillow's word for what it was read from."""
    changes: tuple[str, ...] = ()
    """What reading had to change."""

    @property
    def kind(self) -> Kind:
        """What the channels are."""
        return KINDS[self.pixels.shape[2]]


def read_picture(source: Path | BytesIO) -> Picture:
    """Read a PNG, JPEG, WebP, TIFF or BMP whole; the size is checked before anything is decoded.

    Raises:
        BadImageError: if it is damaged, too large, several in one, no picture, or of a mode that
            cannot be upscaled.
    """
    if (deep := _deep_tiff(source)) is not None:
        return deep
    with opened(source) as (image, mode):
        # before anything else: some conversions forget it
        metadata = _metadata(image)
        pixels, alpha, changes = _channels(image, mode, source)
        upright = [_upright(each, image) for each in (pixels, alpha) if each is not None]
        return Picture(
            pixels=upright[0],
            alpha=upright[1][..., 0] if alpha is not None else None,
            metadata=metadata,
            format=image.format or "",
            changes=changes,
        )


def picture_size(source: Path | BytesIO) -> tuple[int, int]:
    """(height, width) of the upright picture, by the file's header.

    Raises:
        BadImageError: if it is no picture, or too large.
    """
    try:
        with headed(source) as image:
            turned = int(image.getexif().get(ORIENTATION, 1)) in TURNED
            return image.size if turned else image.size[::-1]
    except BadImageError:
        if (size := _tiff_size(source)) is None:
            raise
        return size


def _channels(
    image: Image.Image, mode: str, source: Path | BytesIO
) -> tuple[Array, Array | None, tuple[str, ...]]:
    """(pixels, alpha, what had to be changed) of an open picture."""
    changes: tuple[str, ...] = ()
    if _is_deep_color(image, mode):
        whole = _decode_png(source) if image.format == "PNG" else None
        if whole is None:
            raise BadImageError(f"16-bit color in {image.format}; save it as PNG or TIFF")
        if "transparency" in image.info:
            raise BadImageError("16-bit color with a transparent color; give it an alpha channel")
        return *_parted(whole), changes
    if image.mode == "1":
        image, changes = image.convert("L"), ("1 bit became 8-bit gray",)
    if image.mode in ("P", "PA"):
        clear = image.mode == "PA" or "transparency" in image.info
        image = image.convert("RGBA" if clear else "RGB")
        changes = (f"the palette became {image.mode}",)
    elif image.mode in ("L", "RGB") and "transparency" in image.info:
        image = image.convert("LA" if image.mode == "L" else "RGBA")
        changes = ("the transparent color became alpha",)
    elif image.mode in ("La", "RGBa", "RGBX"):
        image = image.convert({"La": "LA", "RGBa": "RGBA", "RGBX": "RGB"}[image.mode])
    if image.mode == "F" or image.mode.startswith("I;16"):
        native = np.float32 if image.mode == "F" else np.uint16
        return np.asarray(image).astype(native)[..., None], None, changes
    if image.mode not in ("L", "LA", "RGB", "RGBA", "CMYK"):
        raise BadImageError(f"mode {image.mode}; convert it to RGB, gray or CMYK")
    values = np.asarray(image)
    if image.mode == "CMYK":
        return values, None, changes
    return *_parted(values), changes


def _is_deep_color(image: Image.Image, mode: str) -> bool:
    """Whether Pillow has dropped the lower half of 16 bits."""
    return mode.endswith(";16") and not image.mode.startswith("I;16")


def _decode_png(source: Path | BytesIO) -> Array:
    from imagecodecs import png_decode  # noqa: PLC0415  many codecs, needed for few pictures

    decoded: Array = png_decode(_bytes_of(source))
    return decoded


def _bytes_of(source: Path | BytesIO) -> bytes:
    return source.getvalue() if isinstance(source, BytesIO) else source.read_bytes()


def _parted(values: Shaped[np.ndarray, "..."]) -> tuple[Array, Array | None]:
    """(color, alpha) of gray or RGB with or without alpha."""
    if values.ndim == 2:
        values = values[..., None]
    if values.shape[2] in (2, 4):
        return values[..., :-1], values[..., -1:]
    return values, None


def _deep_tiff(source: Path | BytesIO) -> Picture | None:
    """A TIFF of more than 8 bits, which Pillow reads in part or not at all."""
    with _tiff_page(source) as page:
        return None if page is None or _is_plain(page) else _from_page(page)


def _tiff_size(source: Path | BytesIO) -> tuple[int, int] | None:
    with _tiff_page(source) as page:
        if page is None:
            return None
        size = page.imagelength, page.imagewidth
        turned = ORIENTATION in page.tags and int(page.tags[ORIENTATION].value) in TURNED
        return size[::-1] if turned else size


def _is_plain(page: Any) -> bool:
    return page.dtype is None or page.dtype == np.uint8 or page.bitspersample < 8


@contextmanager
def _tiff_page(source: Path | BytesIO) -> Iterator[Any]:
    """The only page of a TIFF that is not too large; None for what is no TIFF.

    Raises:
        BadImageError: for what goes wrong with it.
    """
    if _head(source)[:2] not in (b"II", b"MM"):
        yield None
        return
    from tifffile import TiffFile, TiffFileError  # noqa: PLC0415  slow to import

    try:
        with TiffFile(
            BytesIO(source.getvalue()) if isinstance(source, BytesIO) else source
        ) as file:
            page = file.pages.first
            if len(file.pages) > 1 and not _is_plain(page):
                raise BadImageError(
                    f"{len(file.pages)} pictures in one; save the one that is meant"
                )
            limit = Image.MAX_IMAGE_PIXELS or 0
            if page.imagewidth * page.imagelength > limit:
                raise BadImageError(
                    f"{page.imagewidth}x{page.imagelength} pixels are more than {limit}; "
                    "cut the picture into smaller ones"
                )
            yield page
            return
    except BadImageError:
        raise
    except TiffFileError:
        pass  # Pillow has the better words for what is no TIFF
    except MemoryError as error:
        raise BadImageError("it does not fit into memory; cut it into smaller ones") from error
    except Exception as error:
        # decoders of damaged files fail in every way there is
        raise BadImageError(f"damaged ({error}); fetch or export it again") from error
    yield None


def _head(source: Path | BytesIO) -> bytes:
    if isinstance(source, BytesIO):
        return source.getvalue()[:4]
    with source.open("rb") as file:
        return file.read(4)


def _from_page(page: Any) -> Picture:
    tags = {tag.code: tag.value for tag in page.tags}
    photometric = page.photometric.name
    values = page.asarray()
    if values.dtype == np.float64 or values.dtype == np.float16:
        values = values.astype(np.float32)
    if values.dtype not in (np.uint16, np.float32):
        raise BadImageError(f"pixels of type {values.dtype}; convert them to 8 or 16 bits")
    if values.ndim == 3 and page.planarconfig.name == "SEPARATE":
        values = np.moveaxis(values, 0, -1)
    extra = len(page.extrasamples)
    counts = {"MINISBLACK": 1, "MINISWHITE": 1, "RGB": 3, "SEPARATED": 4}
    samples = 1 if values.ndim == 2 else values.shape[2]
    if counts.get(photometric) != samples - extra or extra > 1:
        raise BadImageError(f"{samples} channels as {photometric}; convert it to RGB, gray or CMYK")
    values = values.reshape(*values.shape[:2], samples)
    if photometric == "MINISWHITE":
        values = (np.iinfo(values.dtype).max if values.dtype == np.uint16 else 1) - values
    if values.dtype == np.float32 and not np.isfinite(values).all():
        raise BadImageError("it has values that are not finite")
    exif = Image.Exif()
    for tag in DESCRIBING:
        if tag in tags:
            exif[tag] = tags[tag]
    turn = int(tags.get(ORIENTATION, 1))
    color, alpha = (values[..., :-1], values[..., -1]) if extra else (values, None)
    return Picture(
        pixels=_turned(color, turn),
        alpha=None if alpha is None else _turned(alpha[..., None], turn)[..., 0],
        metadata=Metadata(
            exif=exif.tobytes() if len(exif) else b"",
            icc=bytes(tags.get(ICC_TAG, b"")),
            xmp=bytes(tags.get(XMP_TAG, b"")),
        ),
        format="TIFF",
    )


def _turned(pixels: Array, orientation: int) -> Array:
    """Pixels as EXIF's orientation (1 to 8) wants them shown."""
    if orientation in TURNED:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _upright(pixels: Array, image: Image.Image) -> Array:
    return _turned(pixels, int(image.getexif().get(ORIENTATION, 1)))


def _metadata(image: Image.Image) -> Metadata:
    """What is kept, with everything in it that the pixels' turning makes wrong set right."""
    found = image.getexif()
    kept = Image.Exif()
    for tag in DESCRIBING:
        if tag in found:
            kept[tag] = found[tag]
    for ifd in (EXIF_IFD, GPS_IFD):
        if content := dict(found.get_ifd(ifd)):
            kept.get_ifd(ifd).update(content)
    small = Image.new("L", (1, 1))
    if ORIENTATION in found and (xmp := image.info.get("xmp")):
        # Pillow's own way to take the orientation out of XMP, without turning the pixels twice
        small.info["xmp"] = xmp
        small.getexif()[ORIENTATION] = found[ORIENTATION]
        small = ImageOps.exif_transpose(small)
    xmp = small.info.get("xmp", image.info.get("xmp", b""))
    dpi = image.info.get("dpi")
    return Metadata(
        exif=kept.tobytes()
        if len(kept) or kept.get_ifd(EXIF_IFD) or kept.get_ifd(GPS_IFD)
        else b"",
        icc=image.info.get("icc_profile") or b"",
        xmp=xmp if isinstance(xmp, bytes) else xmp.encode(),
        dpi=(float(dpi[0]), float(dpi[1])) if dpi and min(dpi) > 0 else None,
    )


def bled(pixels: Array, alpha: Plane) -> Array:
    """Pixels with the nearest visible color wherever alpha is 0, so that no hidden one bleeds out.

    A network or a resize looks beyond the edge of what is visible; what is hidden there is often
    black.
    """
    hidden = alpha == 0
    if not hidden.any() or hidden.all():
        return pixels
    rows, columns = distance_transform_edt(hidden, return_distances=False, return_indices=True)
    return pixels[rows, columns]


def fit_to(picture: Picture, format_: Format) -> Picture:
    """The picture as `format_` can hold it; `changes` says what that took."""
    changes = list(picture.changes)
    pixels, alpha, metadata = picture.pixels, picture.alpha, picture.metadata
    if format_ in ("jpg", "webp") and pixels.dtype != np.uint8:
        changes.append(f"{_depth(pixels)} became 8 bits")
        pixels, alpha = _both_as(pixels, alpha, np.uint8)
    if format_ == "png" and pixels.dtype == np.float32:
        changes.append("float became 16 bits, values outside [0, 1] were clipped")
        pixels, alpha = _both_as(pixels, alpha, np.uint16)
    if format_ == "jpg" and alpha is not None:
        if (alpha != 255).any():
            changes.append("JPEG has no alpha: laid on white")
        pixels, alpha = _on_white(pixels, alpha), None
    must_be_rgb = (format_ == "webp" and picture.kind != "rgb") or (
        format_ == "png" and picture.kind == "cmyk"
    )
    if must_be_rgb:
        profile = " by its profile" if metadata.icc else ""
        changes.append(f"{picture.kind} became RGB{profile}")
        if pixels.dtype != np.uint8:
            changes.append(f"{_depth(pixels)} became 8 bits")
            pixels, alpha = _both_as(pixels, alpha, np.uint8)
        pixels = _to_rgb(pixels, metadata.icc)
        # sRGB from here on
        metadata = replace(metadata, icc=b"")
    return replace(picture, pixels=pixels, alpha=alpha, metadata=metadata, changes=tuple(changes))


def _depth(pixels: Array) -> str:
    return "float" if pixels.dtype == np.float32 else "16 bits"


WHITE = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0, np.dtype(np.float32): 1.0}
"""What stands for white in pixels of each type."""


def as_type(values: Shaped[np.ndarray, "..."], kind: Any) -> Shaped[np.ndarray, "..."]:
    """Values of one type as another's: clipped and rounded half up, but for floats.

    >>> as_type(np.array([0, 255], np.uint8), np.uint16)
    array([    0, 65535], dtype=uint16)
    """
    if values.dtype == kind:
        return values
    # float32 tells all of 16 bits apart
    shares = values.astype(np.float32) / np.float32(WHITE.get(values.dtype, 1.0))
    if kind == np.float32:
        return shares
    np.clip(shares, 0, 1, out=shares)
    shares *= np.float32(WHITE[np.dtype(kind)])
    shares += np.float32(0.5)
    return shares.astype(kind)  # towards zero, which for these is down


def _both_as(pixels: Array, alpha: Plane | None, kind: type) -> tuple[Array, Plane | None]:
    return as_type(pixels, kind), None if alpha is None else as_type(alpha, kind)


def _on_white(pixels: Array, alpha: Plane) -> Array:
    share = alpha[..., None].astype(np.float32) / 255
    return np.floor(pixels * share + 255 * (1 - share) + 0.5).astype(np.uint8)


def _to_rgb(pixels: Array, icc: bytes) -> Array:
    image = _pillow(pixels, None)
    if icc:
        srgb = ImageCms.createProfile("sRGB")
        try:
            turned = ImageCms.profileToProfile(image, BytesIO(icc), srgb, outputMode="RGB")
            if turned is not None:
                return np.asarray(turned)
        except (ImageCms.PyCMSError, OSError):
            pass  # a broken profile says nothing; the plain formula is what viewers use then
    return np.asarray(image.convert("RGB"))


def _pillow(pixels: Array, alpha: Plane | None) -> Image.Image:
    """8-bit pixels as an object of Pillow's."""
    mode = {1: "L", 3: "RGB", 4: "CMYK"}[pixels.shape[2]]
    values = _stacked(pixels, alpha)
    # CMYK and RGBA have four channels both
    name = mode if alpha is None else f"{mode}A"
    return Image.frombytes(name, values.shape[1::-1], values.tobytes())


def _stacked(pixels: Array, alpha: Plane | None) -> Shaped[np.ndarray, "..."]:
    """Color and alpha in one array, gray without an axis for its channel."""
    values = pixels if alpha is None else np.dstack([pixels, alpha])
    return np.ascontiguousarray(values[..., 0] if values.shape[2] == 1 else values)


def insist_on_size(width: int, height: int, format_: Format) -> None:
    """Refuse, before it is made, what a format cannot hold.

    Raises:
        BadImageError: naming the sizes.
    """
    if max(width, height) > MOST_SIDE[format_]:
        raise BadImageError(
            f"the result of {width}x{height} pixels does not fit into {format_}, which holds "
            f"{MOST_SIDE[format_]} a side; take --format png or tif"
        )


def encode(picture: Picture, format_: Format, quality: int | None = None) -> bytes:
    """The file's bytes of a picture that fits the format; see `fit_to`."""
    match format_:
        case "png":
            return _png(picture)
        case "tif":
            buffer = BytesIO()
            _write_tiff(buffer, picture)
            return buffer.getvalue()
        case "jpg" | "webp":
            return _by_pillow(picture, format_, quality)


def write_picture(
    path: Path, picture: Picture, format_: Format, quality: int | None = None
) -> None:
    """Write a picture that fits the format, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(encode(picture, format_, quality))


def _by_pillow(picture: Picture, format_: Format, quality: int | None) -> bytes:
    options: dict[str, Any] = {"quality": QUALITY if quality is None else quality}
    if format_ == "jpg":
        options["subsampling"] = "4:4:4"
        if picture.metadata.dpi:
            options["dpi"] = picture.metadata.dpi
    elif quality is None:
        options = {"lossless": True, "quality": 80, "exact": True}
    for name, content in (
        ("exif", _sized_exif(picture)),
        ("icc_profile", picture.metadata.icc),
        ("xmp", picture.metadata.xmp),
    ):
        if content:
            options[name] = content
    buffer = BytesIO()
    image = _pillow(picture.pixels, picture.alpha)
    image.save(buffer, format={"jpg": "JPEG", "webp": "WEBP"}[format_], **options)
    return buffer.getvalue()


def _exif_of(picture: Picture) -> Image.Exif:
    """The tags, with the sizes that they may name set right."""
    exif = Image.Exif()
    if picture.metadata.exif:
        exif.load(picture.metadata.exif)
        inner = exif.get_ifd(EXIF_IFD)
        height, width = picture.pixels.shape[:2]
        for tag, value in ((WIDTH_TAG, width), (HEIGHT_TAG, height)):
            if tag in inner:
                inner[tag] = value
    return exif


def _sized_exif(picture: Picture) -> bytes:
    return bytes(_exif_of(picture).tobytes()) if picture.metadata.exif else b""


def _png(picture: Picture) -> bytes:
    """PNG of 8 or 16 bits; Pillow writes no 16-bit color."""
    from imagecodecs import png_encode  # noqa: PLC0415

    encoded = png_encode(_stacked(picture.pixels, picture.alpha))
    chunks = b"".join(_chunk(name, content) for name, content in _png_metadata(picture))
    # the first chunk is the header of 25 bytes, after a signature of 8
    return b"".join([encoded[:33], chunks, encoded[33:]])


def _png_metadata(picture: Picture) -> Iterator[tuple[bytes, bytes]]:
    metadata = picture.metadata
    if metadata.icc:
        yield b"iCCP", b"ICC\0\0" + zlib.compress(metadata.icc)
    if metadata.dpi:
        per_meter = [round(dpi / 0.0254) for dpi in metadata.dpi]
        yield b"pHYs", struct.pack(">IIB", *per_meter, 1)
    if metadata.xmp:
        yield b"iTXt", XMP_KEYWORD + b"\0\0\0\0\0" + metadata.xmp
    if exif := _sized_exif(picture):
        yield b"eXIf", exif.removeprefix(b"Exif\0\0")


def _chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def tiff_options(picture: Picture) -> dict[str, Any]:
    """What tifffile is told of a picture beside its pixels."""
    metadata, exif = picture.metadata, _exif_of(picture)
    extra: list[tuple[int, int, int | None, Any, bool]] = [
        (tag, ASCII, None, str(exif[tag]), True) for tag in DESCRIBING if tag in exif
    ]
    extra += [(tag - 1, LONG, 1, 0, True) for tag in (EXIF_IFD, GPS_IFD) if exif.get_ifd(tag)]
    if metadata.xmp:
        extra.append((XMP_TAG, 1, len(metadata.xmp), metadata.xmp, True))
    kinds = {"gray": "minisblack", "rgb": "rgb", "cmyk": "separated"}
    options: dict[str, Any] = {
        "photometric": kinds[picture.kind],
        "extratags": extra,
        "software": False,
        "metadata": None,
    }
    if picture.alpha is not None:
        options |= {"extrasamples": ["unassalpha"], "planarconfig": "contig"}
    if metadata.icc:
        options["iccprofile"] = metadata.icc
    if metadata.dpi:
        options |= {"resolution": metadata.dpi, "resolutionunit": "inch"}
    return options


def _write_tiff(file: BytesIO, picture: Picture) -> None:
    from tifffile import imwrite  # noqa: PLC0415

    values = _stacked(picture.pixels, picture.alpha)
    imwrite(file, values, compression="adobe_deflate", **tiff_options(picture))
    append_ifds(file, _exif_of(picture))


def append_ifds(file: Any, exif: Image.Exif) -> None:
    """Put EXIF's own directories behind a TIFF and point its tags to them.

    tifffile writes no such tags; in their places stand some without a meaning.
    """
    from tifffile import TiffFile  # noqa: PLC0415

    for code in (EXIF_IFD, GPS_IFD):
        if not (content := exif.get_ifd(code)):
            continue
        file.seek(0, 2)
        offset = file.tell() + file.tell() % 2
        file.write(b"\0" * (offset - file.tell()))
        directory = ImageFileDirectory_v2(group=code)
        for number, value in content.items():
            directory[number] = value
        file.write(directory.tobytes(offset))
        file.seek(0)
        with TiffFile(file, mode="r+") as written:
            tag = written.pages.first.tags[code - 1]
            tag.overwrite(offset)
            order = written.byteorder
        file.seek(tag.offset)
        file.write(struct.pack(f"{order}H", code))


@contextmanager
def streamed_tiff(path: Path, picture: Picture, size: tuple[int, int]) -> Iterator[Array]:
    """Yield the pixels of a TIFF of (height, width), on the disk as they are written.

    It has the mode and the metadata of `picture`, is not compressed, and is at `path` when all
    went well.
    """
    from tifffile import memmap  # noqa: PLC0415

    channels = picture.pixels.shape[2] + (picture.alpha is not None)
    shape = (*size, channels) if channels > 1 else size
    # for the sizes in EXIF, a picture as large that takes no memory
    large = replace(
        picture, pixels=np.broadcast_to(picture.pixels[:1, :1], (*size, picture.pixels.shape[2]))
    )
    with atomic_path(path) as temporary:
        pixels = memmap(
            temporary, shape=shape, dtype=picture.pixels.dtype, bigtiff=True, **tiff_options(large)
        )
        yield pixels.reshape(*size, channels)
        pixels.flush()
        del pixels
        with temporary.open("r+b") as file:
            append_ifds(file, _exif_of(large))
