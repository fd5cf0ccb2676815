"""Hide secrets before they are recorded or shown: by the name of a value, inside URLs, and in command lines.

Nothing is recorded of a secret, not even a hash, because a short secret can be guessed from its hash.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from harness.model.json import JsonObject, JsonValue, parse_json
from harness.userinfo import without_userinfo

HIDDEN = "(hidden)"
SAFE_HEADERS = frozenset({"host", "accept", "accept-encoding", "accept-language", "content-type", "user-agent"})
"""HTTP headers that carry no secret, in lower case."""
_NAMES = r"password|passwd|secret|token|credential|authorization|cookie|api[-_]?key|private"
_SECRET_NAME = re.compile(_NAMES, re.IGNORECASE)
_SECRET_IN_TEXT = re.compile(
    rf"""(["']?[\w.-]*(?:{_NAMES})[\w.-]*["']?\s*[:=]\s*)"""
    r"""("(?:[^"\\]|\\.)*"?|'[^']*'?|(?:Bearer |Basic )?[^\s,;&<>}\]"']+)""",
    re.IGNORECASE,
)
"""A name that tells of a secret, and its value, in JSON, forms, headers and logs; the value may be cut off."""
_BARE_SECRET = re.compile(r"\b(Bearer|Basic) [A-Za-z0-9._~+/=-]{8,}|\beyJ[\w-]+\.[\w-]+\.[\w-]*")
_MATCHES = frozenset({"exact", "prefix", "regex"})
"""What Istio compares a header with."""
_VALUE_SHOWN = frozenset(
    [
        "-k",
        "-m",
        "-n",
        "-p",
        "-c",
        "--dist",
        "--maxfail",
        "--tb",
        "--junitxml",
        "--junit-xml",
        "--html",
        "--seed",
        "--target",
        "--canary",
        "--fault",
        "--runs",
        "--config",
        "--control",
        "--copy",
        "--out",
        "--rootdir",
        "--timeout",
        "--count",
        "--reruns",
    ]
)
"""Options of pytest and of our commands whose values are no secrets; so are all of ours that start with --harness-."""
_COMMANDS = frozenset({"demo", "run", "calibrate", "--"})
_FLAGS = re.compile(r"-[vqxsl]{2,}")


def masked(values: Mapping[str, JsonValue]) -> JsonObject:
    """Return the same values with ``HIDDEN`` in place of those under a secret name, at every depth.

    A mapping under such a name is kept and searched in turn, because a service may be called ``token``. URLs lose their
    users and passwords, wherever they are.
    """
    return {name: _masked(value, secret=_SECRET_NAME.search(name) is not None) for name, value in values.items()}


def _masked(value: JsonValue, *, secret: bool) -> JsonValue:
    if isinstance(value, Mapping):
        if secret and value and _MATCHES.issuperset(value):
            return dict.fromkeys(value, HIDDEN)
        return masked(value)
    if secret and value is not None:
        return HIDDEN
    if isinstance(value, (list, tuple)):
        return [_masked(item, secret=False) for item in value]
    return without_userinfo(value) if isinstance(value, str) else value


def scrubbed(value: JsonValue) -> JsonValue:
    """Return the same JSON value with every URL in it without user and password."""
    if isinstance(value, Mapping):
        return {name: scrubbed(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [scrubbed(item) for item in value]
    return without_userinfo(value) if isinstance(value, str) else value


def redacted_json(value: JsonValue, *, secret: bool = False) -> JsonValue:
    """Return a JSON value of a service with ``HIDDEN`` in place of strings and numbers that look like a secret."""
    if isinstance(value, Mapping):
        return {name: redacted_json(item, secret=bool(_SECRET_NAME.search(name))) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [redacted_json(item, secret=secret) for item in value]
    if secret and value is not None and not isinstance(value, bool):
        return HIDDEN
    return redacted(value) if isinstance(value, str) else value


def redacted_body(text: str) -> str:
    """Return the body of an answer with ``HIDDEN`` in place of what looks like a secret; JSON stays JSON."""
    try:
        value = redacted_json(parse_json(text))
        plain = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:  # also for a number that is too large, which JSON could not say
        return redacted(text)
    return plain if plain.encode(errors="ignore").decode() == plain else json.dumps(value)  # half of a letter


def redacted(text: str) -> str:
    """Return a text of a service with ``HIDDEN`` in place of what looks like a secret by its name or its form."""
    named = _SECRET_IN_TEXT.sub(lambda found: f"{found[1]}{HIDDEN}", without_userinfo(text))
    return _BARE_SECRET.sub(HIDDEN, named)


def names_only(values: Mapping[str, JsonValue], safe: Collection[str]) -> JsonObject:
    """Return the same names with ``HIDDEN`` in place of every value whose name is not in ``safe``."""
    return {
        name: without_userinfo(value) if name in safe and isinstance(value, str) else HIDDEN
        for name, value in values.items()
    }


def command_shape(words: Sequence[str]) -> list[JsonValue]:
    """Return the program and the names of the options of a service's command, without any value.

    Nothing shows which argument is a secret, so all but the placeholder of the port are hidden.
    """
    return [word if number == 0 or word == "{port}" else _option_name(word) for number, word in enumerate(words)]


def _option_name(word: str) -> str:
    if word.startswith("--"):
        name, equals, _ = word.partition("=")
        return f"{name}={HIDDEN}" if equals else name
    if word.startswith("-") and len(word) <= 2:
        return word
    return HIDDEN


def command_line(words: Sequence[str], root: Path) -> list[JsonValue]:
    """Return a command line of pytest or of ours, with every value hidden that is not known to be harmless.

    Shown are the names of options, the values of known ones, and files, folders and node ids that exist in ``root``.
    """
    shown: list[JsonValue] = list(words[:1])
    before = ""
    for word in words[1:]:
        name, equals, value = word.partition("=")
        if not word.startswith("-"):
            harmless = _is_known(before) or _exists(word, root)
            shown.append(without_userinfo(word) if harmless else HIDDEN)
        elif equals:
            shown.append(f"{name}={without_userinfo(value) if _is_known(name) else HIDDEN}")
        elif name.startswith("--") or len(name) <= 2 or _FLAGS.fullmatch(name) or _is_known(name[:2]):
            shown.append(word)
        else:
            shown.append(f"{name[:2]}{HIDDEN}")
        before = word
    return shown


def _is_known(option: str) -> bool:
    return option in _VALUE_SHOWN or option.startswith("--harness-")


def _exists(word: str, root: Path) -> bool:
    """Return whether the word is one of our commands, or the file or folder of a test."""
    try:
        return word in _COMMANDS or (root / word.split("::", 1)[0]).exists()
    except (OSError, ValueError):  # too long for a path, or with a zero byte
        return False
