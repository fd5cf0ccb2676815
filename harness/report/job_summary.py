"""Write GitHub's job summary: once for a session, with every verdict and everything that left no verdict."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence

LIMIT_BYTES = 1000 * 1000
"""GitHub rejects a step's summary of more than 1,024 kB as a whole."""
_WORST_FIRST = ("fail", "trouble", "usage", "inconclusive", "marginal")
VARIABLE = "GITHUB_STEP_SUMMARY"


def write(
    analyses: Sequence[tuple[str, str]], troubles: Sequence[tuple[str, str, str]], *, code: int, words: Sequence[str]
) -> None:
    """Append to the file that GitHub names; without one, do nothing.

    analyses: verdict and Markdown of each. troubles: test, kind and message of each failure without a verdict.
    code: the exit code. words: lines that explain it. A file that cannot be written is a warning and nothing more.
    """
    path = os.environ.get(VARIABLE)
    if not path:
        return
    try:
        _append(path, text(analyses, troubles, code=code, words=words).encode("utf-8", "replace"))
    except (OSError, ValueError) as error:  # the second: a path with a NUL
        print(f"harness: warning: the job summary cannot be written: {error}", file=sys.stderr)  # noqa: T201


def _append(path: str, content: bytes) -> None:
    """Append to a file. A pipe that nobody reads is an error at once, and so is one that is full."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o644)
    try:
        while content:
            content = content[os.write(descriptor, content) :]
    finally:
        os.close(descriptor)


def text(
    analyses: Sequence[tuple[str, str]],
    troubles: Sequence[tuple[str, str, str]],
    *,
    code: int,
    words: Sequence[str],
    limit_bytes: int = LIMIT_BYTES,
) -> str:
    """Return the summary: the worst first; what does not fit is counted in the last line."""
    parts = [("trouble", _trouble(*trouble)) for trouble in troubles] + list(analyses)
    order = dict(zip(_WORST_FIRST, range(len(_WORST_FIRST)), strict=True))
    lines = [_fenced("\n".join(words))] if words else []
    lines += [part for _, part in sorted(parts, key=lambda part: order.get(part[0], len(order)))]
    lines.append(f"exit code {code}\n")
    kept: list[str] = []
    left = limit_bytes - 200  # room for the last line
    for line in lines:
        left -= len(line.encode(errors="replace")) + 2
        if left < 0:
            kept.append(f"{len(lines) - len(kept)} more parts do not fit here; exit code {code}\n")
            break
        kept.append(line)
    return "\n\n".join(kept) + "\n"


def _trouble(place: str, kind: str, message: str) -> str:
    what = "wrong usage" if kind == "usage" else "no verdict"
    shown = f"{place}\n{message}" if place else message
    return f"### ⛔ {what}\n\n{_fenced(shown)}"


def _fenced(shown: str) -> str:
    """Return a block that Markdown shows literally."""
    fence = "`" * max(3, _longest_run(shown) + 1)
    return f"{fence}\n{shown}\n{fence}"


def _longest_run(shown: str) -> int:
    return max(map(len, re.findall("`+", shown)), default=0)
