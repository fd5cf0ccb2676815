"""Turn what pydantic refuses into errors that name file, line and key, what was expected and what was found."""

from __future__ import annotations

from collections.abc import Collection
from types import UnionType
from typing import Annotated, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from harness.config.section import Section
from harness.errors import ConfigError, located
from harness.model.json import JsonValue
from harness.model.names import did_you_mean
from harness.yaml_files import Document, Place

_MOST_MESSAGES, _LONGEST_FOUND = 10, 200
_EXPECTED = {
    "model_type": "keys with values",
    "dict_type": "keys with values",
    "list_type": "a list such as [one, two]",
    "too_short": "at least one entry",
}


def mistake(document: Document, place: Place, message: str) -> ConfigError:
    """Return an error about the key at ``place``, with its line."""
    return ConfigError(message, file=document.file, line=document.line(place), path=dotted(place))


def wrong(document: Document, place: Place, expected: str, found: JsonValue) -> ConfigError:
    """Return an error about a value that is not what was expected."""
    return mistake(document, place, f"expected {expected}, found {_shown(found)}")


def require_known(document: Document, place: Place, name: str, known: Collection[str]) -> None:
    """Raise ConfigError when ``name`` is not one of the known names."""
    if name not in known:
        raise mistake(document, place, _unknown_name(name, known))


def refusal(document: Document, model: type[Section], error: ValidationError) -> ConfigError:
    """Return an error about the first mistake in the file that pydantic found; a line about each other one follows."""
    found = [_Mistake(document, model, details) for details in error.errors()]
    found.sort(key=lambda one: (one.line, one.kind != "extra_forbidden"))
    first, *others = found
    texts = [located(one.message, file=document.file, line=one.line, path=dotted(one.place)) for one in others]
    if len(texts) >= _MOST_MESSAGES:
        texts[_MOST_MESSAGES - 1 :] = [f"and {len(texts) - _MOST_MESSAGES + 1} more mistakes"]
    return mistake(document, first.place, "\n".join((first.message, *texts)))


def dotted(place: Place) -> str:
    """Return a place in the form of messages: ``services.reviews.versions.v2.command[0]``."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def model_at(model: type[Section], place: Place) -> type[Section] | None:
    """Return the model of the mapping at ``place`` below ``model``, or None if there are no fixed keys."""
    kind: object = model
    for part in place:
        if isinstance(kind, type) and issubclass(kind, Section):
            fields = kind.fields_by_key()
            kind = fields[str(part)].annotation if part in fields else None
        else:
            kind = get_args(kind)[-1] if get_args(kind) else None
        kind = _bare(kind)
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


class _Mistake:
    """One error of pydantic, with the place in the file that it is about."""

    def __init__(self, document: Document, model: type[Section], details: ErrorDetails) -> None:
        place = tuple(part for part in details["loc"] if part != "[key]")
        self.kind = details["type"]
        self.place = place if self.kind == "missing" else _existing(document.value, place)
        self.line = document.line(self.place)
        self.message = _message(model, place, details)


def _message(model: type[Section], place: Place, details: ErrorDetails) -> str:
    kind, found, context = details["type"], details["input"], details.get("ctx", {})
    section = model_at(model, place[:-1])
    fields = {} if section is None else section.fields_by_key()
    if kind == "extra_forbidden":
        return f"unknown key{did_you_mean(str(place[-1]), fields)}; known: {', '.join(sorted(fields))}"
    if kind == "missing":
        meaning = str(fields[str(place[-1])].description).partition(". ")[0].removesuffix(".")
        return f"missing; this key is required: {meaning}"
    if kind == "unknown_name":
        return _unknown_name(found, context["known"])
    if kind == "refused":
        return str(context["sentence"])
    expected = context["what"] if kind == "expected" else _EXPECTED.get(kind)
    shown = _shown(found) if isinstance(found, bool) or not _may_be_secret(place) else "a value that is not shown here"
    return f"{details['msg']}; found {shown}" if expected is None else f"expected {expected}, found {shown}"


def _may_be_secret(place: Place) -> bool:
    return not {"env", "headers", "command"}.isdisjoint(place)


def _unknown_name(name: object, known: Collection[str]) -> str:
    return f"expected one of {', '.join(known)}, found {_shown(name)}{did_you_mean(name, known)}"


def _shown(found: object) -> str:
    text = "nothing" if found is None else repr(found)
    return text if len(text) <= _LONGEST_FOUND else f"{text[:_LONGEST_FOUND]}..."


def _existing(value: JsonValue, place: Place) -> Place:
    """Return the part of ``place`` that is in the file. A short form such as ``split: 50%`` lacks keys of its model."""
    for depth, part in enumerate(place):
        if isinstance(value, dict) and part in value:
            value = value[part]
            continue
        if not (isinstance(value, list) and isinstance(part, int)):
            return place[:depth]
        value = value[part]
    return place


def _bare(kind: object) -> object:
    """Return a type without ``Annotated`` and without a union with None."""
    if get_origin(kind) in (Union, UnionType):
        return _bare(next(one for one in get_args(kind) if one is not type(None)))
    return _bare(get_args(kind)[0]) if get_origin(kind) is Annotated else kind
