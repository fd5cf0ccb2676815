"""Make text from outside safe to show: logs, names and messages of services, proxies, servers and files.

A service that writes escape codes into its log could otherwise clear the terminal, set its title or forge a verdict.
Errors, reports, live output and commands all use these functions.
"""

from __future__ import annotations

import re

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]"  # CSI: colours, cursor, clearing
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]{0,512}(?:\x07|\x1b\\|\x9c)"  # OSC, DCS, ...: title
    r"|\x1b[ -/]{0,4}[0-~]"
)
_HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Return ``text`` without escape codes, and with a space for each other control character.

    Line ends and tabs stay. Characters that turn the direction of text, and halves of characters, become spaces too.
    """
    if text.isprintable():
        return text
    text = _ESCAPES.sub("", text.replace("\r\n", "\n"))
    return "".join(c if c.isprintable() or c in "\n\t" else " " for c in text)


def shown(value: object, most: int = 200) -> str:
    """Return a value as a message quotes it: ``repr``, cut to ``most`` characters.

    Python writes no integers of more than 4300 digits, so those are described.
    """
    try:
        text = repr(value)
    except (ValueError, RecursionError) as error:
        text = f"<{type(value).__name__}: {error}>"
    return text if len(text) <= most else f"{text[:most]}..."


def without_controls(document: str) -> str:
    """Return a whole document with a space for each control character, and everything else unchanged."""
    return _HIDDEN.sub(" ", document)
