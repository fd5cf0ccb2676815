"""The base of every section of ``harness.yaml``."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from harness.model.json import JsonObject


def key_of(field: str) -> str:
    """Return the key in the file of a field of a model, such as ``ready-within`` for ``ready_within_s``."""
    return re.sub(r"_(s|rps)$", "", field).replace("_", "-")


class Section(BaseModel):
    """One mapping of the file. Unknown keys are refused, and an empty key counts as a missing one."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=key_of, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _without_empty_keys(cls, value: object) -> object:
        if isinstance(value, dict):
            return {key: item for key, item in value.items() if item is not None}
        return {} if value is None else value

    @classmethod
    def fields_by_key(cls) -> dict[str, FieldInfo]:
        """Return the fields of the model by their keys in the file."""
        return {str(field.alias): field for field in cls.model_fields.values()}

    @classmethod
    def defaults(cls) -> JsonObject:
        """Return the defaults by key, in the form that they have in the file."""
        return cls.model_construct().model_dump(mode="json", by_alias=True, exclude_none=True)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the schema of the mapping, with the defaults. A mapping without required keys may be empty."""
        schema = handler.resolve_ref_schema(handler(core_schema))
        if not schema.get("required"):
            schema["type"] = ["object", "null"]
        defaults = cls.defaults()
        for key, described in schema["properties"].items():
            if described.pop("default", None) is not None:
                described["default"] = defaults[key]
        return schema
