"""Read from the source of a test what it will ask of the judge, so that a mistake is found before any load is sent.

Only what is written out is read: the texts in calls of ``canary.compare`` and the profiles in calls of ``load.run``.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """What a test will ask for.

    objectives: the texts that it will compare by. by_default: whether it will compare by those of the configuration.
    profiles: the profiles that it sends, where an empty text is the configuration's; None if they are not written out.
    """

    objectives: tuple[str, ...] = ()
    by_default: bool = False
    profiles: tuple[str, ...] | None = None


def foreseen(test: Callable[..., object] | None) -> Foreseen:
    """Return what the source of a test function says, or nothing if it has no source."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(test)) if test is not None else "")
    except (OSError, TypeError, SyntaxError):
        return Foreseen()
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    compared = [call for call in calls if _is(call.func, "canary", "compare")]
    sent = [_profile(call) for call in calls if _is(call.func, "load", "run")]
    return Foreseen(
        objectives=tuple(text for call in compared for word in call.args if (text := _text(word)) is not None),
        by_default=any(not call.args for call in compared),
        profiles=None if None in sent else tuple(text for text in sent if text is not None),
    )


def _is(function: ast.expr, fixture: str, method: str) -> bool:
    if not isinstance(function, ast.Attribute) or function.attr != method:
        return False
    return isinstance(function.value, ast.Name) and function.value.id == fixture


def _profile(call: ast.Call) -> str | None:
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    word = call.args[0] if call.args else given.get("profile")
    return "" if word is None and None not in given else _text(word)


def _text(word: ast.expr | None) -> str | None:
    return word.value if isinstance(word, ast.Constant) and isinstance(word.value, str) else None
