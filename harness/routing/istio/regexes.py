"""Check regular expressions as Istio's proxies read them (RE2), as far as that is certain."""

from __future__ import annotations

import re
import warnings

_NOT_RE2 = re.compile(r"(?<!\\)(?:\\\\)*(\(\?[=!]|\(\?<[=!]|\(\?>|\(\?\(|\\[1-9]|[*+?}]\+)")
_WRONG_IN_BOTH = (
    "unterminated",
    "unbalanced",
    "nothing to repeat",
    "multiple repeat",
    "bad character range",
    "missing )",
)


def regex_problem(pattern: str) -> str:
    """Return why ``pattern`` is no expression of RE2, or an empty string. Only the proxy can check the rest."""
    if not pattern:
        return "expected a regular expression, found an empty text"
    foreign = _NOT_RE2.search(pattern)
    if foreign:
        return f"expected a regular expression of RE2, which has no {foreign.group(1)!r}, found {pattern!r}"
    try:
        with warnings.catch_warnings(action="ignore"):  # of what Python may read otherwise one day
            re.compile(pattern)
    except re.error as error:
        if any(word in error.msg for word in _WRONG_IN_BOTH):
            return f"expected a regular expression, found {pattern!r}: {error}"
    return ""
