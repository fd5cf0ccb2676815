"""The ``istio`` section: files with Istio's resources, and the version of Istio that the local mesh follows."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from harness.config.section import Section
from harness.config.values import Shaped, Switch, Text, expected, one_of
from harness.model.followed_istio import NEWEST, OLDEST, FollowedIstio

_DEFAULT = FollowedIstio()


def _numbers(version: str) -> tuple[int, int]:
    major, minor = version.split(".")
    return int(major), int(minor)


def _known(version: str) -> str:
    if not OLDEST <= _numbers(version) <= NEWEST:
        raise expected(f"a version from {_written(OLDEST)} to {_written(NEWEST)}")
    return version


def _written(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


class IstioKeys(Section):
    """Istio's resources, and the version of Istio that the local mesh follows. A list names the files only."""

    files: list[Text] = Field(default_factory=list)
    """Files with Istio resources, as patterns such as istio/*.yaml. Each pattern must match a file."""

    version: Annotated[
        str, Shaped(r"[0-9]+\.[0-9]+", 'a version in quotes, such as "1.30"'), AfterValidator(_known)
    ] = _written(_DEFAULT.version)
    """The version of Istio that the local mesh behaves like, in quotes. What differs: docs/local-mesh.md."""

    as_istio: Switch = _DEFAULT.as_istio
    """Whether the local mesh serves what Istio serves badly, such as a route to an unknown subset, which gets 503."""

    outbound: Annotated[Literal["REGISTRY_ONLY", "ALLOW_ANY"], one_of("REGISTRY_ONLY", "ALLOW_ANY")] = "REGISTRY_ONLY"
    """What the local mesh does with requests to hosts that are no service: REGISTRY_ONLY answers 502, ALLOW_ANY passes
    them on to that host."""

    @model_validator(mode="before")
    @classmethod
    def _from_files(cls, value: object) -> object:
        return {"files": value} if isinstance(value, list) else value

    def followed(self) -> FollowedIstio:
        """Return the version of Istio that the local mesh follows."""
        return FollowedIstio(
            version=_numbers(self.version), as_istio=self.as_istio, allow_any=self.outbound == "ALLOW_ANY"
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return a schema that accepts the list of files or the mapping."""
        mapping = super().__get_pydantic_json_schema__(core_schema, handler)
        return {"anyOf": [{"type": "array", "items": {"type": "string", "pattern": r"\S"}}, mapping]}
