"""The Markdown of a history's changes, for a comment on a pull request that an action updates in place."""

from __future__ import annotations

from collections.abc import Sequence

from harness.history.changes import Notice
from harness.model.formatting import counted
from harness.report.markdown import escaped

MARK = "<!-- canary-harness: history -->"
"""The first line, by which an action finds its own comment again."""
_MOST = 50


def render(found: Sequence[Notice]) -> str:
    """Return the changes as a list, the worst first."""
    order = {True: 0, None: 1, False: 2}
    signs = {True: "❌", None: "❔", False: "✅"}
    ordered = sorted(found, key=lambda one: order[one.worse])
    lines = [f"- {signs[one.worse]} {escaped(one.text)[:600]} (run {escaped(one.run)})" for one in ordered[:_MOST]]
    more = [f"- and {len(found) - _MOST} more"] if len(found) > _MOST else []
    return "\n".join([MARK, f"### Canary history: {counted(len(found), 'change')}", "", *lines, *more, ""])
