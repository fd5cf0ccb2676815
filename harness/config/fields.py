"""Typed access to the keys of a configuration file; every error names file, line, key, what was expected and found."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TypeVar

from harness.errors import ConfigError, UsageError
from harness.model.json import Json
from harness.model.units import parse_duration, parse_percent
from harness.routing.istio.yaml_lines import Document, Place

T = TypeVar("T")


class Fields:
    """One mapping of the file. Keys are taken one by one; ``end`` refuses what nobody took."""

    def __init__(self, document: Document, place: Place, value: Json) -> None:
        """An empty key (None) is an empty mapping."""
        self._document, self._place = document, place
        if value is not None and not isinstance(value, dict):
            raise self.wrong((), "keys with values", value)
        self._values: dict[str, Json] = value or {}
        self._taken: set[str] = set()

    def take(self, key: str) -> Json:
        """The bare value of a key; None when it is missing or empty."""
        self._taken.add(key)
        return self._values.get(key)

    def text(self, key: str, default: str | None = None) -> str:
        """A text that is not empty; required when there is no default."""
        value = self.take(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or not value.strip():
            raise self.wrong((key,), "a text", value)
        return value

    def number(self, key: str, default: float, *, low: float, high: float) -> float:
        """A number from ``low`` to ``high``."""
        value = self.take(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise self.wrong((key,), f"a number from {low:g} to {high:g}", value)
        return float(value)

    def port(self, key: str, default: int) -> int:
        """A TCP port."""
        value = self.take(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 65535:
            raise self.wrong((key,), "a port from 1 to 65535", value)
        return value

    def switch(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self.take(key)
        if value is not None and not isinstance(value, bool):
            raise self.wrong((key,), "true or false", value)
        return default if value is None else value

    def duration_s(self, key: str, default_s: float) -> float:
        """Seconds from ``250ms``, ``1m30s`` or a number of seconds."""
        value = self.take(key)
        return default_s if value is None else self.parsed((key,), lambda: parse_duration(value, key))

    def share(self, key: str, default: float) -> float:
        """A ratio from a percentage, neither 0 nor 100."""
        value = self.take(key)
        return default if value is None else self.ratio((key,), value)

    def ratio(self, keys: tuple[str, ...], value: Json, *, whole: bool = False) -> float:
        """The ratio of a percentage that is neither 0 nor, unless ``whole``, 100."""
        ratio = self.parsed(keys, lambda: parse_percent(value, keys[-1]))
        if not 0 < ratio < 1 and not (whole and ratio == 1):
            raise self.wrong(keys, f"more than 0 % and {'at most' if whole else 'less than'} 100 %", value)
        return ratio

    def nested(self, key: str, value: Json) -> Fields:
        """The mapping that was taken from under a key."""
        return Fields(self._document, (*self._place, key), value)

    def choice(self, key: str, known: Collection[str], default: str | None = None) -> str:
        """One of the known names; required when there is no default."""
        return self.known((key,), self.text(key, default), known)

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """A list of texts; whole numbers in it count as texts."""
        value = self.take(key)
        if value is None:
            return default
        if not isinstance(value, list) or not value:
            raise self.wrong((key,), "a list such as [one, two]", value)
        return tuple(self._word((key, i), item) for i, item in enumerate(value))

    def text_map(self, key: str) -> dict[str, str]:
        """Texts by name; numbers count as texts."""
        return {name: self._word((key, name), value) for name, value in self.section(key).items()}

    def section(self, key: str) -> Fields:
        """The mapping under a key, empty when it is missing."""
        return Fields(self._document, (*self._place, key), self.take(key))

    def item(self, key: str, index: int, value: Json) -> Fields:
        """A mapping in the list under a key."""
        return Fields(self._document, (*self._place, key, index), value)

    def sections(self, key: str) -> Iterator[tuple[str, Fields]]:
        """Every mapping in the mapping under a key, by name."""
        outer = self.section(key)
        for name in outer.names():
            yield name, outer.section(name)

    def items(self) -> Iterator[tuple[str, Json]]:
        """All keys with their bare values."""
        for name in self.names():
            yield name, self.take(name)

    def names(self) -> tuple[str, ...]:
        """All keys in the order of the file."""
        return tuple(self._values)

    def end(self) -> None:
        """Raise ConfigError for the first key that nobody took, with the known ones."""
        for key in self._values:
            if key not in self._taken:
                raise self.error(
                    (key,), f"unknown key{_similar(key, self._taken)}; known: {', '.join(sorted(self._taken))}"
                )

    def known(self, place: Place, name: str, known: Collection[str]) -> str:
        """``name`` when it is a known one."""
        if name not in known:
            raise self.error(place, f"expected one of {', '.join(known)}, found {name!r}{_similar(name, known)}")
        return name

    def parsed(self, place: Place, parse: Callable[[], T]) -> T:
        """What ``parse`` returns; its UsageError becomes a ConfigError with the place."""
        try:
            return parse()
        except UsageError as error:
            raise self.error(place, str(error).removeprefix(f"{place[-1]}: " if place else "")) from error

    def wrong(self, place: Place, expected: str, found: Json) -> ConfigError:
        """An error about a value."""
        return self.error(place, f"expected {expected}, found {'nothing' if found is None else repr(found)}")

    def error(self, place: Place, message: str) -> ConfigError:
        """An error about a key inside this mapping."""
        whole = (*self._place, *place)
        return ConfigError(message, file=self._document.file, line=self._document.line(whole), path=dotted(whole))

    def files(self, key: str) -> tuple[Path, ...]:
        """Files by glob patterns relative to the configuration file, in order; each pattern must match. May be empty."""
        root, found = self._document.file.parent, []
        patterns = () if self.take(key) == [] else self.texts(key)
        for i, pattern in enumerate(patterns):
            path = root / pattern
            matches = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
            if not matches or not all(match.is_file() for match in matches):
                raise self.wrong((key, i), f"files relative to {root}", pattern)
            found += matches
        return tuple(found)

    def folders(self, key: str, default: str) -> tuple[Path, ...]:
        """Folders relative to the configuration file; only the default may be missing."""
        root = self._document.file.parent
        names = self.texts(key)
        for i, name in enumerate(names):
            if not (root / name).is_dir():
                raise self.wrong((key, i), f"a folder relative to {root}", name)
        return tuple(root / name for name in names or (default,))

    def _word(self, place: Place, value: Json) -> str:
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise self.wrong(place, "a text (true and false in quotes)", value)
        return str(value)


def dotted(place: Place) -> str:
    """A place as errors show it: ``services.reviews.versions.v2.command[0]``."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _similar(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    return f", did you mean {close[0]!r}?" if close else ""
