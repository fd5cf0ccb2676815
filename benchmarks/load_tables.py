"""Tables of measured values with their limits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A measured value and its limit. holds: whether it is within the limit; None without a limit."""

    what: str
    measured: str
    limit: str = ""
    holds: bool | None = None


def table(title: str, rows: list[Row]) -> bool:
    """Print the rows. Returns whether all limits hold."""
    print(f"\n{title}")
    for row in rows:
        mark = {None: " ", True: "✔", False: "✘"}[row.holds]
        print(f"  {mark} {row.what:<52} {row.measured:>18}   {row.limit}")
    return all(row.holds is not False for row in rows)


def finish(results: list[bool]) -> int:
    """Print the overall result and return the exit code."""
    print("\nall limits hold" if all(results) else "\nsome limits do not hold")
    return 0 if all(results) else 1
