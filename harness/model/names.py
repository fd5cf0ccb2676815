"""Make the ids of runs, and find the name that was meant when an unknown one is given."""

from __future__ import annotations

import difflib
import re
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime

RUN_ID = re.compile(r"\d{8}-\d{4,6}-[0-9a-f]{4}(?:[0-9a-f]{4})?")
"""The shape of ids, also of those that earlier versions made."""


def new_run_id() -> str:
    """Return a unique id: ``<UTC time>-<random>``. It is valid as part of a Kubernetes name.

    Pipelines on many machines start at the same second of the night, so the random part has 32 bits.
    """
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return ``, did you mean 'x'?`` with the known name that is most similar, or an empty text if none is."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6) if isinstance(name, str) else []
    return f", did you mean {str(close[0])!r}?" if close else ""
