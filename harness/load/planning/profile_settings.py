"""Read the settings of a load profile: the module-level literal LOADPROFILE, without importing the file.

Locust ignores the literal. Importing a locustfile would monkey-patch this process, so we only read the file's syntax
tree. Every error names the profile's line.
"""

from __future__ import annotations

import ast
import difflib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias, cast

from harness.errors import HarnessError, LoadProfileError, UsageError
from harness.load.planning.schedule import check_stages
from harness.model.load import Arrivals, Stage
from harness.model.units import parse_duration
from harness.printable import shown

NAME = "LOADPROFILE"
_LARGEST = 1e9
"""Larger rates are mistakes, and overflow when arrivals are counted."""

_LARGEST_BODY = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileSettings:
    """The settings of a profile; None or an empty tuple where it has none.

    stages: from a ``rate`` that is a list of ``[seconds, rps]`` and ``[seconds, from_rps, to_rps]``. rate_rps,
    duration_s: from a ``rate`` that is a number of requests per second. warm_up_s: time at the start that summaries
    exclude. users: number of users of the closed model. expected_statuses, sizes_may_differ: as in
    ``harness.model.record.Plan``.
    """

    rate_rps: float | None = None
    stages: tuple[Stage, ...] = ()
    duration_s: float | None = None
    arrivals: Arrivals | None = None
    seed: int | None = None
    users: int | None = None
    processes: int | None = None
    warm_up_s: float | None = None
    drain_s: float | None = None
    trace_share: float | None = None
    body_bytes: int | None = None
    arm_header: str | None = None
    expected_statuses: tuple[int, ...] = ()
    sizes_may_differ: bool = False


def read_settings(profile: Path) -> ProfileSettings:
    """Return the settings of a profile. They are all empty if it has no literal.

    Raises LoadProfileError, with file and line, for invalid Python, a value that is not a literal, an unknown key or an
    invalid value.
    """
    try:
        tree = _parsed(profile)
    except FileNotFoundError as error:
        raise LoadProfileError(f"{profile}: expected a locustfile, found no such file") from error
    except OSError as error:
        raise LoadProfileError(f"{profile}: expected a locustfile, found: {error.strerror}") from error
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        # The parser raises the last two for deep nesting, and ValueError for a NUL.
        line = getattr(error, "lineno", None) or 1
        raise LoadProfileError(f"{profile}:{line}: expected Python, found {error or type(error).__name__}") from error
    _reject_other_assignments(profile, tree)
    literals = [found for node in tree.body if (found := _assigned(node)) is not None]
    if not literals:
        return ProfileSettings()
    value = literals[-1]
    if not isinstance(value, ast.Dict):
        raise _error(profile, value, f"{NAME}: expected a dictionary written out in the file")
    settings = ProfileSettings()
    seen: set[str] = set()
    for key, entry in zip(value.keys, value.values, strict=True):
        if key is None or not isinstance(key, ast.Constant) or not isinstance(key.value, str):
            raise _error(profile, entry, f"{NAME}: expected keys that are plain strings")
        if key.value in seen:
            raise _error(profile, key, f"{NAME}: expected each key once, found {key.value!r} again")
        seen.add(key.value)
        settings = _with_setting(settings, profile, key, entry)
    return settings


def _parsed(profile: Path) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Locust's process, which imports the profile, shows its warnings
        return ast.parse(profile.read_text(encoding="utf-8"), filename=str(profile))


def _reject_other_assignments(profile: Path, tree: ast.Module) -> None:
    """Reject assignments that we do not read, such as those inside a block, so that nobody expects them to work."""
    plain = {target for node in tree.body if _assigned(node) is not None for target in _targets(node)}
    for node in ast.walk(tree):
        changed = node.value if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load) else node
        stored = changed is not node or not isinstance(getattr(node, "ctx", ast.Load()), ast.Load)
        if stored and isinstance(changed, ast.Name) and changed.id == NAME and changed not in plain:
            raise _error(
                profile,
                changed,
                f"{NAME}: expected one literal at the top level of the file, found another assignment here",
            )


def _targets(node: ast.stmt) -> list[ast.expr]:
    return node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []


def _assigned(node: ast.stmt) -> ast.expr | None:
    if any(isinstance(target, ast.Name) and target.id == NAME for target in _targets(node)):
        return getattr(node, "value", None)
    return None


def _with_setting(settings: ProfileSettings, profile: Path, key: ast.Constant, entry: ast.expr) -> ProfileSettings:
    name = str(key.value)
    if name not in _PARSERS:
        near = difflib.get_close_matches(name, _PARSERS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise _error(profile, key, f"{NAME}: unknown key {name!r}{hint} Known: {', '.join(_PARSERS)}")
    try:
        value = ast.literal_eval(entry)
    except (ValueError, TypeError, MemoryError, RecursionError) as error:
        # An unhashable key is a TypeError; a long chain of signs or sums exceeds the depth of recursion.
        raise _error(profile, entry, f"{NAME}: {name}: expected a literal, found an expression") from error
    try:
        return _PARSERS[name](settings, value)
    except (HarnessError, TypeError, ValueError, OverflowError) as error:
        raise _error(profile, entry, f"{NAME}: {name}: {error}") from error


def _error(profile: Path, node: ast.expr, message: str) -> LoadProfileError:
    return LoadProfileError(f"{profile}:{node.lineno}: {message}")


def _with_rate(settings: ProfileSettings, value: object) -> ProfileSettings:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        rate = _number(value)
        check_stages((Stage(duration_s=1, start_rps=rate, end_rps=rate),))
        return replace(settings, rate_rps=rate)
    if not isinstance(value, (list, tuple)) or not value:
        raise UsageError(f"expected requests per second or a list of stages such as [30, 50], found {shown(value)}")
    stages = tuple(_stage(entry) for entry in value)
    check_stages(stages)
    return replace(settings, stages=stages)


def _stage(entry: object) -> Stage:
    if not isinstance(entry, (list, tuple)) or len(entry) not in {2, 3}:
        raise UsageError(f"expected [seconds, rps] or [seconds, from_rps, to_rps], found {shown(entry)}")
    rates = [_number(rate) for rate in entry[1:]]
    return Stage(duration_s=parse_duration(entry[0]), start_rps=rates[0], end_rps=rates[-1])


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UsageError(f"expected a number, found {shown(value)}")
    if not abs(value) <= _LARGEST:
        raise UsageError(f"expected a number of at most {_LARGEST:g}, found {shown(value)}")
    return float(value)


def _integer(least: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**63:
            raise UsageError(f"expected a whole number of at least {least} and below 2^63, found {shown(value)}")
        return value

    return parse


def _body_bytes(value: object) -> int:
    count = _integer(1)(value)
    if count > _LARGEST_BODY:
        raise UsageError(f"expected at most {_LARGEST_BODY} bytes of a body, found {count}")
    return count


def _share(value: object) -> float:
    share = _number(value)
    if not 0 <= share <= 1:
        raise UsageError(f"expected a share from 0 to 1, found {shown(value)}")
    return share


def _arrivals(value: object) -> Arrivals:
    if not isinstance(value, str) or value not in list(Arrivals):
        raise UsageError(f"expected one of {', '.join(Arrivals)}, found {shown(value)}")
    return Arrivals(value)


def _header(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise UsageError(f"expected the name of a response header, found {shown(value)}")
    return value.lower()


def _statuses(value: object) -> tuple[int, ...]:
    if not isinstance(value, (list, tuple)) or not all(map(_may_be_expected, value)):
        raise UsageError(f"expected a list of statuses of 1xx, 3xx or 4xx, such as [404], found {value!r}")
    return tuple(sorted(set(value)))


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"expected True or False, found {shown(value)}")
    return value


def _may_be_expected(status: object) -> bool:
    known = isinstance(status, int) and not isinstance(status, bool)
    return known and status in {*range(100, 200), *range(300, 500)}


def _duration(value: object) -> float:
    return parse_duration(cast("str | float", value))  # it refuses everything else


_Parser: TypeAlias = Callable[[ProfileSettings, object], ProfileSettings]
_PARSERS: Mapping[str, _Parser] = {
    "rate": _with_rate,
    "duration": lambda settings, value: replace(settings, duration_s=_duration(value)),
    "arrivals": lambda settings, value: replace(settings, arrivals=_arrivals(value)),
    "seed": lambda settings, value: replace(settings, seed=_integer(0)(value)),
    "users": lambda settings, value: replace(settings, users=_integer(1)(value)),
    "processes": lambda settings, value: replace(settings, processes=_integer(1)(value)),
    "warm_up": lambda settings, value: replace(settings, warm_up_s=_duration(value)),
    "drain": lambda settings, value: replace(settings, drain_s=_duration(value)),
    "trace_share": lambda settings, value: replace(settings, trace_share=_share(value)),
    "body_bytes": lambda settings, value: replace(settings, body_bytes=_body_bytes(value)),
    "arm_header": lambda settings, value: replace(settings, arm_header=_header(value)),
    "expected_statuses": lambda settings, value: replace(settings, expected_statuses=_statuses(value)),
    "sizes_may_differ": lambda settings, value: replace(settings, sizes_may_differ=_flag(value)),
}
"""Each key with the function that adds its value to the settings."""
