"""Hide values whose name says that they are secret, before they are recorded or shown."""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.model.json import JsonObject, JsonValue

HIDDEN = "(hidden)"
_SECRET_NAME = re.compile(r"password|passwd|secret|token|credential|authorization|api[-_]?key|private", re.IGNORECASE)


def masked(values: Mapping[str, JsonValue]) -> JsonObject:
    """Return the same values with ``HIDDEN`` in place of those under a secret name, at every depth.

    A mapping under such a name is kept and searched in turn, because a service may be called ``token``.
    """
    return {name: _masked(value, secret=_SECRET_NAME.search(name) is not None) for name, value in values.items()}


def _masked(value: JsonValue, *, secret: bool) -> JsonValue:
    if isinstance(value, Mapping):
        return masked(value)
    if secret and value is not None:
        return HIDDEN
    return [_masked(item, secret=False) for item in value] if isinstance(value, (list, tuple)) else value
