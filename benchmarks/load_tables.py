"""Rows with a measured value, a bar and whether it holds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """holds is None for a value without a bar."""

    what: str
    measured: str
    bar: str = ""
    holds: bool | None = None


def table(title: str, rows: list[Row]) -> bool:
    """Print the rows; whether all bars hold."""
    print(f"\n{title}")
    for row in rows:
        mark = {None: " ", True: "✔", False: "✘"}[row.holds]
        print(f"  {mark} {row.what:<52} {row.measured:>18}   {row.bar}")
    return all(row.holds is not False for row in rows)


def finish(results: list[bool]) -> int:
    """The exit code of all tables."""
    print("\nall bars hold" if all(results) else "\nsome bars do not hold")
    return 0 if all(results) else 1
