"""Write what a release says about users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.model.units import format_percent


def users_in_words(share: float, header: Mapping[str, str], *, first: Sequence[str] = (), alone: bool = False) -> str:
    """Return which users get the new build. first: services without a running build. alone: there are no others."""
    some = f"{format_percent(share)} of the users" if share else ""
    if header:
        limited = "users with " + " and ".join(f"{name}: {value}" for name, value in header.items())
        some = f"{some} and {limited}" if some else limited
    if first and alone and not header:
        return "all users get the new build, because no other build runs" if share else "no user gets the new build"
    text = f"{some} get the new build" if some else "all users get the stable build"
    if not first:
        return text
    names = ", ".join(first)
    return f"{text}; of {names} all do, because no other build runs" if share else f"{text}; {names} has none"
