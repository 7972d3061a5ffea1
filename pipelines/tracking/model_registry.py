"""Versions and aliases of the registered model."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from esrgan_core.strict_json import from_json, to_json
from pipelines.config.errors import UserError
from pipelines.tracking.client import KEY_TAG, client, quote_value
from pipelines.tracking.store_errors import NotInStoreError, translate_errors

if TYPE_CHECKING:
    from mlflow.entities.model_registry import RegisteredModel

DECISION = "esrgan.decision"
PENDING = "esrgan.pending"
"""Tag of a version with the change of the registry that it causes, until the change is made."""
CHAMPIONS = "esrgan.champions"
MAX_CHAMPIONS = 20
"""Length of the history, which also has all forced champions; a tag has a limited length."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelVersion:
    """A version of the registered model."""

    model: str
    version: str
    model_id: str
    created: datetime
    tags: Mapping[str, str]

    @property
    def content(self) -> dict[str, Any]:
        """The decision of the gates, without the evidence."""
        return {"model": self.model, "version": self.version, **from_json(self.tags[DECISION])}

    @classmethod
    def of_mlflow(cls, version: Any) -> "ModelVersion":
        """Convert MLflow's `ModelVersion`."""
        return cls(
            model=version.name,
            version=str(version.version),
            # the field of its own is empty in search results
            model_id=version.source.removeprefix("models:/"),
            created=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
            tags=dict(version.tags),
        )


def find_model(model: str) -> "RegisteredModel | None":
    """The registered model, None if it does not exist."""
    with suppress(NotInStoreError), translate_errors():
        return client().get_registered_model(model)
    return None


def find_version(model: str, key: str) -> ModelVersion | None:
    """The version of the same weights and evidence."""
    return next((one for one in list_versions(model) if one.tags.get(KEY_TAG) == key), None)


def list_versions(model: str) -> list[ModelVersion]:
    """All versions, the oldest first."""
    with translate_errors():
        found = client().search_model_versions(f"name = {quote_value(model)}")
    return sorted(map(ModelVersion.of_mlflow, found), key=lambda one: int(one.version))


def get_version(model: str, version: str) -> ModelVersion:
    """The version with a number or an alias; or a UserError that lists the existing ones."""
    aliases, versions = get_aliases(model), list_versions(model)
    number = aliases.get(version, version)
    for one in versions:
        if one.version == number:
            return one
    raise UserError(
        f"there is no {model} version {version}; there are "
        f"{[one.version for one in versions]} and the aliases {aliases}"
    )


def get_aliases(model: str) -> dict[str, str]:
    """Version by alias; empty if the model does not exist."""
    found = find_model(model)
    return {name: str(version) for name, version in found.aliases.items()} if found else {}


def set_alias(model: str, alias: str, version: str) -> None:
    """Point an alias to a version."""
    with translate_errors():
        client().set_registered_model_alias(model, alias, version)


def parse_uri(uri: str, default: str) -> tuple[str, str]:
    """(model, version or alias) of `models:/NAME/VERSION`, `models:/NAME@ALIAS` or `VERSION`.

    >>> parse_uri("models:/esrgan@champion", ""), parse_uri("3", "esrgan")
    (('esrgan', 'champion'), ('esrgan', '3'))
    """
    rest = uri.removeprefix("models:/")
    if rest == uri:
        return default, uri
    for mark in ("@", "/"):
        model, _, version = rest.partition(mark)
        if model and version:
            return model, version
    raise UserError(f"{uri!r} is neither models:/NAME/VERSION nor models:/NAME@ALIAS")


def read_history(model: str) -> list[dict[str, Any]]:
    """Past and present champions, the newest last: version, when, why, forced."""
    found = find_model(model)
    return list(from_json(found.tags.get(CHAMPIONS, "[]"))) if found else []


def write_history(model: str, lines: list[dict[str, Any]]) -> None:
    """Store the last `MAX_CHAMPIONS` champions and all forced ones."""
    kept = [line for line in lines[:-MAX_CHAMPIONS] if line["forced"]] + lines[-MAX_CHAMPIONS:]
    with translate_errors():
        client().set_registered_model_tag(model, CHAMPIONS, to_json(kept))


def set_pending(version: ModelVersion, change: Mapping[str, Any]) -> None:
    """Store the change of the registry that a version causes, before the change is made."""
    with translate_errors():
        client().set_model_version_tag(version.model, version.version, PENDING, to_json(change))


def clear_pending(version: ModelVersion) -> None:
    """Record that the pending change of a version is made."""
    with translate_errors():
        client().delete_model_version_tag(version.model, version.version, PENDING)
