"""Read the values that faults share: the host, and the share of its requests."""

from __future__ import annotations

from harness.errors import UsageError
from harness.model.declared import Arms
from harness.model.units import parse_percent


def host_name(host: str) -> str:
    """Return the name of a service, without blanks around it. Raises UsageError for anything else."""
    if not isinstance(host, str) or not host.strip():
        raise UsageError(f"fault: expected the name of a service, found {host!r}")
    return host.strip()


def share(percent: str | float, what: str) -> float:
    """Return the share for a percentage from 0.0001 to 100. Raises UsageError for any other."""
    dose = parse_percent(percent, f"{what}: percent")
    if dose < 1e-6:
        raise UsageError(
            f"{what}: expected a percentage of at least 0.0001, found {percent!r}: nothing would be injected"
        )
    return dose


def only(arms: Arms) -> str:
    """Return what the text of a fault says about the arms that it hits."""
    return "" if arms == "both" else f", {arms} only"
