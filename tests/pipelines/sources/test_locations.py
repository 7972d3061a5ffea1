"""URIs of catalogs and parameters."""

from pathlib import Path

import pytest

from pipelines.data.catalog import read_catalog
from pipelines.sources.locations import (
    ArchiveMember,
    HttpFile,
    LocalFile,
    Location,
    PackageFile,
    S3Object,
    parse_location,
    parse_s3,
)
from tests.support import ROOT


@pytest.mark.parametrize(
    ("uri", "location"),
    [
        ("wheel://skimage/data/a.png", PackageFile(package="skimage", resource="data/a.png")),
        ("file:///a%20b/c.png", LocalFile(path=Path("/a b/c.png"))),
        ("images/c.png", LocalFile(path=Path("images/c.png"))),
        ("https://h/c.png", HttpFile(url="https://h/c.png")),
        ("archive://b.zip/in/c.png", ArchiveMember(archive="b.zip", member="in/c.png")),
        ("s3://b/a b/c%20#d.png", S3Object(bucket="b", key="a b/c%20#d.png")),
    ],
)  # fmt: skip
def test_a_uri_is_parsed(uri: str, location: Location) -> None:
    assert parse_location(uri) == location


@pytest.mark.parametrize("uri", ["ftp://host/c.png", "s3:///key"])
def test_an_unknown_scheme_and_a_missing_bucket_are_errors(uri: str) -> None:
    with pytest.raises(ValueError, match=r"no source for 'ftp'|expected s3://bucket/key"):
        parse_location(uri)
    with pytest.raises(ValueError, match="expected s3://bucket/key"):
        parse_s3(uri)


@pytest.mark.parametrize("name", ["a b.png", "what?.png", "a#b.png", "%41.png", "a:b.png"])
def test_a_location_is_written_and_read_unchanged(name: str) -> None:
    for location in (
        LocalFile(path=Path("images") / name),
        PackageFile(package="package", resource=f"data/{name}"),
        ArchiveMember(archive="b c.zip", member=f"in/{name}"),
        S3Object(bucket="b", key=f"in/{name}"),
    ):
        assert parse_location(str(location)) == location


@pytest.mark.parametrize("path", sorted((ROOT / "catalogs").glob("*.csv")), ids=lambda p: p.stem)
def test_locations_of_the_catalogs_are_written_and_read_unchanged(path: Path) -> None:
    for entry in read_catalog(path).entries:
        assert parse_location(str(entry.source.location)) == entry.source.location
