"""Faults as JSON in the manifest of a run, so that a replay can inject them again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from harness.errors import HarnessError, RecordError
from harness.faults import Fault, known_faults
from harness.model.json import JsonObject, JsonValue
from harness.model.names import did_you_mean
from harness.printable import shown

_KIND = "kind"


def fault_document(fault: Fault) -> JsonObject:
    """Return the kind and the fields of a fault; only its kind and text if it is no dataclass."""
    if not is_dataclass(fault):
        return {_KIND: fault.kind, "text": fault.words().text}
    fields: JsonObject = to_jsonable_python(fault)
    return {_KIND: fault.kind, **fields}


def fault_of_document(document: Mapping[str, JsonValue]) -> Fault:
    """Return the fault that ``fault_document`` described.

    Raises RecordError for a kind that is not installed here, and for values that the kind does not accept.
    """
    known, kind = known_faults(), document.get(_KIND)
    if not isinstance(kind, str) or kind not in known:
        near = did_you_mean(kind, known) if isinstance(kind, str) else ""
        raise RecordError(
            f"expected a kind of fault that is installed, found {shown(kind)}{near}; known: {', '.join(known)}"
        )
    values = {name: value for name, value in document.items() if name != _KIND}
    try:
        fault: Fault = TypeAdapter(known[kind]).validate_python(values)
    except (ValidationError, HarnessError, TypeError) as error:
        raise RecordError(f"expected the values of a {kind}, found {shown(values)}") from error
    return fault
