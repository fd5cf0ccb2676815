"""Print text that may come from outside: a cluster, a log, a bundle.

Command modules import the function as ``print``, so that no line of theirs reaches the terminal without it. Reports that
have colours write to the stream directly; they clean each of their parts.
"""

from __future__ import annotations

import sys
from typing import TextIO

from harness.printable import printable


def clean_print(
    *values: object, sep: str = " ", end: str = "\n", file: TextIO | None = None, flush: bool = False
) -> None:
    """Print like the built-in function, without escape codes and control characters."""
    stream = sys.stdout if file is None else file
    stream.write(printable(sep.join(map(str, values))) + end)
    if flush:
        stream.flush()
