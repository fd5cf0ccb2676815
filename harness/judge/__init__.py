"""Judges: samples and series in, an analysis out. Pure: no I/O, no clock, no randomness without a given seed.

``compare`` is the way in for arrays; ``harness.judge.port`` for recorded runs. It is imported when it
is first used, because statistics take a while to load.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.judge.arrays import compare

__all__ = ("compare",)


def __getattr__(name: str) -> object:
    if name in __all__:
        return getattr(import_module("harness.judge.arrays"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
