"""`esrgan catalog`, `probe` and `verify`: sources of images, and the integrity of files."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pipelines.cli.errors import exit_if_any
from pipelines.runtime.redaction import redact


class _MakeByDefault(TyperGroup):
    """`esrgan catalog DIR` stands for `esrgan catalog make DIR`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] != "--help" and args[0] not in self.commands:
            args.insert(0, "make")
        return super().parse_args(ctx, args)


catalog = typer.Typer(
    cls=_MakeByDefault,
    no_args_is_help=True,
    help="Write catalogs, which list images with their sources and checksums.\n\n"
    "`esrgan catalog DIR -o FILE` lists the images in a folder, "
    "`esrgan catalog pin NAME` adds checksums to a catalog.",
)


@catalog.command()
def make(
    source: Annotated[str, typer.Argument(help="a folder of images, or s3://bucket/prefix/")],
    output: Annotated[Path, typer.Option("--output", "-o", help="the CSV file to write")],
    split: Annotated[str, typer.Option(help="train, val or test, for all images")] = "",
    set_name: Annotated[str, typer.Option("--set", help="name of the set")] = "",
    license_: Annotated[str, typer.Option("--license", help="of all images")] = "unknown",
    citation: Annotated[str, typer.Option(help="the publication to cite")] = "",
    scale: Annotated[int, typer.Option(help="of provided LR whose name does not say it")] = 4,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="omit bad images")] = False,
) -> None:
    """Write a catalog of the images in a folder, with the size and SHA-256 of each.

    The folders train, val and test/SET decide the split; without them it is decided by a hash of
    the content. Images in lr/ are provided LR. PIRM's self-validation set is recognized by its 100
    images. If an image is bad, nothing is written, except with --skip-bad.

    Example: esrgan catalog photographs -o catalogs/mine.csv
    """
    from pipelines.data.catalog_builder import write_folder_catalog, write_s3_catalog
    from pipelines.sources.locations import parse_s3

    columns = {"set": set_name, "split": split, "license": license_, "citation": citation}
    given = {name: text for name, text in columns.items() if text}
    if source.startswith("s3://"):
        write = partial(write_s3_catalog, parse_s3(source))
    else:
        write = partial(write_folder_catalog, Path(source))
    written, bad = write(output, given, scale=scale, skip_bad=skip_bad)
    typer.echo(f"{output}: {written} images" if written else f"{output}: not written")
    if not skip_bad:
        exit_if_any(bad)
    for line in bad:
        typer.echo(f"skipped {redact(line)}", err=True)


@catalog.command()
def pin(
    names: Annotated[list[str], typer.Argument(help="names of catalogs, or CSV files")],
) -> None:
    """Add the size and SHA-256 of every file that has none in a catalog, by downloading it.

    An archive's checksum covers the images in it. Commit the catalog: files that differ from those
    downloaded now are refused from then on.

    Example: esrgan catalog pin flickr2k
    """
    from pipelines.data.catalog_builder import pin_catalog

    failures: list[str] = []
    for name in names:
        path = Path(name) if name.endswith(".csv") else Path("catalogs") / f"{name}.csv"
        pinned, bad = pin_catalog(path)
        typer.echo(f"{path}: {pinned} pinned")
        failures += bad
    exit_if_any(failures)


def probe(
    prefix: Annotated[str, typer.Argument(help="s3://bucket/prefix with write permission")],
) -> None:
    """Test an S3 server: write, read, compare and delete objects as the pipeline does.

    Prints whether it accepts checksum headers. Endpoint and credentials are read from
    AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.

    Example: esrgan probe s3://bucket/prefix
    """
    from pipelines.sources import s3_selftest
    from pipelines.sources.locations import parse_s3

    for line in s3_selftest.probe(parse_s3(prefix)):
        typer.echo(line)


def verify(
    percent: Annotated[float, typer.Option(min=0, max=100, help="of the files, at random")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Compare images, pairs, checkpoints, registered models and caches with their checksums.

    The exit code is 1 if a file is damaged or missing. Areas without any file, as in a clone
    without data, are skipped. Paths are relative to the root of the repository.

    Example: esrgan verify --percent 10
    """
    from esrgan_core.strict_json import to_json
    from pipelines.ops.integrity import verify as verify_files
    from pipelines.runtime.state import in_repository

    with in_repository():
        count, damage = verify_files(percent)
    if as_json:
        findings = [finding._asdict() for finding in damage]
        typer.echo(to_json({"files": count, "findings": findings}, indent=2, default=str))
    else:
        typer.echo("\n  ".join([f"{count} files, {len(damage)} findings", *map(str, damage)]))
    if damage:
        raise typer.Exit(code=1)
