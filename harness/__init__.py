"""Chaos and canary analysis for services on Kubernetes and Istio, as pytest tests.

Scenarios import the built-in faults from here. Importing this package loads next to nothing, because every service of
the demo and every command imports it: the faults are loaded when one of them is first used.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.faults import *  # noqa: F403 - every fault that harness.faults imports, so that none is listed twice
    from harness.model.verdict import Analysis as Analysis, Verdict as Verdict

__version__ = "0.1.0"
_VERDICTS = ("Analysis", "Verdict")


def __dir__() -> list[str]:
    """Return what the module has loaded and what scenarios may import, for completion and suggestions."""
    return sorted({*globals(), *_offered()})


def _offered() -> list[str]:
    """Return the names that scenarios may import: types of verdict, and what ``harness.faults`` is about."""
    faults = import_module("harness.faults")
    own = (name for name, found in vars(faults).items() if getattr(found, "__module__", "").startswith(faults.__name__))
    return [*_VERDICTS, *own]


if not TYPE_CHECKING:  # else mypy would accept every name

    def __getattr__(name: str) -> object:
        """Load a fault or a type of verdict. Submodules are left to the import system, which asks here first."""
        if name == "__all__":  # of ``from harness import *``
            return _offered()
        left_out = name.startswith("_") or find_spec(f"{__name__}.{name}") is not None
        if not left_out and (name in _VERDICTS or name in _offered()):
            module = import_module("harness.model.verdict" if name in _VERDICTS else "harness.faults")
            found = globals()[name] = getattr(module, name)
            return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
