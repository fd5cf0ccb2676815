"""Quantities of CPU and memory, as Kubernetes writes them: ``50m``, ``0.5``, ``64Mi``."""

from __future__ import annotations

import re
from fractions import Fraction

from harness.errors import UsageError
from harness.printable import shown

_NUMBER = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(?:[eE]([+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i)?)", re.ASCII)
_DECIMAL = {
    name: Fraction(1000) ** power for power, name in enumerate(("n", "u", "m", "", "k", "M", "G", "T", "P", "E"), -3)
}
_BINARY = {f"{name}i": Fraction(1024) ** power for power, name in enumerate("KMGTPE", 1)}
_FACTORS = {**_DECIMAL, **_BINARY}


def parse_quantity(text: str, what: str) -> Fraction:
    """Return a quantity in cores or bytes, exactly. what: the name at the start of an error's message.

    Raises UsageError for anything but a quantity of Kubernetes.
    """
    found = _NUMBER.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise UsageError(f"{what}: expected a quantity such as 50m, 0.5 or 64Mi, found {shown(text)}")
    number, exponent, suffix = found.groups()
    return Fraction(number) * (Fraction(10) ** int(exponent) if exponent else _FACTORS[suffix or ""])
