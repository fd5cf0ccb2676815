"""Read the warnings of admission from HTTP ``Warning`` headers (RFC 7234, section 5.5)."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WARNING = re.compile(r'\d{3}\s+\S+\s+"((?:[^"\\]|\\.)*)"')


def warnings_in(headers: Sequence[str]) -> tuple[str, ...]:
    """Return the texts of all warnings in order, unquoted. A header that cannot be parsed is returned as it is."""
    found: list[str] = []
    for header in headers:
        texts = _WARNING.findall(header)
        found.extend(re.sub(r"\\(.)", r"\1", text) for text in texts)
        if not texts and header.strip():
            found.append(header.strip())
    return tuple(found)
