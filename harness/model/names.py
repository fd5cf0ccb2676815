"""Find the name that was meant when an unknown one is given."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return ``, did you mean 'x'?`` with the known name that is most similar, or an empty text if none is."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6) if isinstance(name, str) else []
    return f", did you mean {str(close[0])!r}?" if close else ""
