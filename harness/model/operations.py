"""Operations: a method and a path, with ``*`` for the parts of the path that look like the id of something."""

from __future__ import annotations

import re

_ID = re.compile(r"(?=.*\d)[0-9A-Za-z._~:-]+|[0-9a-f]{8,}", re.ASCII)
_NAME = re.compile(r"v\d{1,2}|[a-z]+[-_]?\d", re.ASCII)
"""Parts of a path with a digit that are no id, such as ``v1``."""


def operation_of(method: str, path: str) -> str:
    """Return the operation of a request. path: without its query."""
    parts = ("*" if _ID.fullmatch(part) and not _NAME.fullmatch(part) else part for part in path.split("/"))
    return f"{method} {'/'.join(parts)}"
