"""`esrgan catalog` and `esrgan verify`: where images come from, and whether they still are it."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pipelines.cli.failures import exit_if_any
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
    help="Catalogs: which images a run uses, where they come from and what they must be.\n\n"
    "`esrgan catalog DIR -o catalogs/mine.csv` makes one of a folder, "
    "`esrgan catalog pin NAME` writes checksums into one.",
)


@catalog.command()
def make(
    source: Annotated[str, typer.Argument(help="a folder of images, or s3://bucket/prefix/")],
    output: Annotated[Path, typer.Option("--output", "-o", help="the CSV file to write")],
    split: Annotated[
        str, typer.Option(help="train, val or test for all; else by folders or content")
    ] = "",
    set_name: Annotated[str, typer.Option("--set", help="name of the set")] = "",
    license_: Annotated[str, typer.Option("--license", help="of all of them")] = "unknown",
    citation: Annotated[str, typer.Option(help="what to cite")] = "",
    scale: Annotated[int, typer.Option(help="of provided LR, where its name does not say it")] = 4,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="leave bad images out instead of stopping")
    ] = False,
) -> None:
    """Make a catalog of the images in a folder, each decoded once and hashed.

    Folders train, val and test/<set> are respected; without them images are split by a hash of
    their content. What lies below lr/ is provided LR. PIRM's self-validation set is recognized by
    its 100 images.
    """
    from pipelines.data.catalog_builder import write_folder_catalog, write_s3_catalog
    from pipelines.sources.locations import parse_s3

    words = {"set": set_name, "split": split, "license": license_, "citation": citation}
    given = {name: text for name, text in words.items() if text}
    if source.startswith("s3://"):
        written, bad = write_s3_catalog(
            parse_s3(source), output, given, scale=scale, skip_bad=skip_bad
        )
    else:
        written, bad = write_folder_catalog(
            Path(source), output, given, scale=scale, skip_bad=skip_bad
        )
    typer.echo(f"{output}: {written} images" if written else f"{output} is not written")
    if skip_bad:
        for line in bad:
            typer.echo(f"skipped {redact(line)}", err=True)
    else:
        exit_if_any(bad)


@catalog.command()
def pin(
    names: Annotated[list[str], typer.Argument(help="catalogs by name, or CSV files")],
) -> None:
    """Write size and sha256 of every file that a catalog has no sha256 of, fetching it.

    Images inside an archive are covered by the archive's checksum. Commit the catalog: from
    then on anything else than what was fetched now is refused.
    Example: esrgan catalog pin flickr2k
    """
    from pipelines.data.checksum_pinning import pin_catalog

    failures: list[str] = []
    for name in names:
        path = Path(name) if name.endswith(".csv") else Path("catalogs") / f"{name}.csv"
        pinned, bad = pin_catalog(path)
        typer.echo(f"{path}: {pinned} pinned")
        failures += bad
    exit_if_any(failures)


def probe(
    place: Annotated[str, typer.Argument(help="s3://bucket/prefix that may be written to")],
) -> None:
    """Write, read and compare objects on S3, as the pipeline does, and remove them again.

    Says which checksum headers the server takes. Endpoint and credentials come from the
    environment: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY.
    """
    from pipelines.sources.locations import parse_s3
    from pipelines.sources.s3_selftest import probe as try_out

    for line in try_out(parse_s3(place)):
        typer.echo(line)


def verify(
    percent: Annotated[
        float, typer.Option(min=0, max=100, help="share of the files to look at, by chance")
    ] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Hash images, pairs, checkpoints, registered models and caches against their manifests.

    Exit code 1 if anything is damaged or gone. What is not here at all, as in a clone without its
    data, is not looked for. Paths are from the root of the repository.
    """
    from esrgan_core.strict_json import to_json
    from pipelines.ops.integrity import verify as verify_all
    from pipelines.runtime.state import in_repository

    with in_repository():
        count, findings = verify_all(percent)
    listed = [{"area": one.area, "path": str(one.path), "problem": one.problem} for one in findings]
    if as_json:
        typer.echo(to_json({"files": count, "findings": listed}, indent=2))
    else:
        typer.echo(f"{count} files, {len(findings)} findings")
        for finding in findings:
            typer.echo(f"  {finding}")
    if findings:
        raise typer.Exit(code=1)


COMMANDS = (probe, verify)
