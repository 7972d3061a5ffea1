"""`esrgan models`: the versions of a registered model as text."""

from collections.abc import Iterator

from pipelines.tracking.model_table import ListedVersion, list_model

TAGS = {"git.commit": "commit", "data.md5": "data", "params.sha256": "params"}


def describe_model(name: str, *, reasons: bool) -> Iterator[str]:
    """Lines on each version, the oldest first, then on each champion.

    Raises:
        StoreDownError: if MLflow does not answer.
    """
    listing = list_model(name)
    if not listing.versions:
        yield f"there is no model {name} yet; `dvc repro` registers one"
    for listed in listing.versions:
        version = listed.version
        aliases = [alias for alias, number in listing.aliases.items() if number == version.version]
        tags = {key: version.tags.get(key, "")[:10] or "unknown" for key in TAGS}
        origin = "  ".join(f"{TAGS[key]} {tag}" for key, tag in tags.items())
        created = f"{version.created:%Y-%m-%d %H:%M}"
        yield f"{name} {version.version}  {' '.join(aliases) or '-'}  {created}  {origin}"
        yield f"    {_metrics(listed)}"
        if reasons:
            for gate in version.content["reasons"]:
                yield f"    {'yes' if gate['holds'] else 'no '}  {gate['rule']}: {gate['figures']}"
    for line in listing.history:
        how = "by force" if line["forced"] else "by the gates"
        end = f", rolled back {line['rolled_back']}" if "rolled_back" in line else ""
        yield f"champion {line['version']} since {line['when']}{end}, {how}: {line['why']}"


def _metrics(listed: ListedVersion) -> str:
    if listed.alpha is None:
        return "no evidence that can be read"
    sets = (
        f"{name}: " + ", ".join(f"{metric} {value:.3f}" for metric, value in values.items())
        for name, values in listed.results.items()
    )
    return "  ".join([f"alpha {listed.alpha:g}", *sets])
