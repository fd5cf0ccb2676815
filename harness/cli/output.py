"""Print text that may come from outside: a cluster, a log, a bundle.

Command modules import ``clean_print`` as ``print``, so everything they print is cleaned. Coloured reports write to the
stream directly and clean each part themselves.
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
