"""Admission warnings: what HTTP ``Warning`` headers say (RFC 7234, section 5.5)."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WARNING = re.compile(r'\d{3}\s+\S+\s+"((?:[^"\\]|\\.)*)"')


def warnings_in(headers: Sequence[str]) -> tuple[str, ...]:
    """The texts of all warnings, in order and unquoted; a header that cannot be read is a warning as it stands."""
    found: list[str] = []
    for header in headers:
        texts = _WARNING.findall(header)
        found.extend(re.sub(r"\\(.)", r"\1", text) for text in texts)
        if not texts and header.strip():
            found.append(header.strip())
    return tuple(found)
