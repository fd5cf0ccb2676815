"""The safeguards of a run, on the answers to real users that the server side has counted by status.

Live traffic has no samples, so the other safeguards see nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.judge.port import Evidence
from harness.judge.safeguards.objection import Objection
from harness.judge.safeguards.status_mix import ALPHA
from harness.judge.safeguards.success import MOST, ONLY
from harness.model.objective import Objective
from harness.model.record import Plan, Series
from harness.model.samples import ARMS, BASELINE
from harness.model.server_indicator import GRPC_STATUS, STATUS, answered_with
from harness.model.units import format_percent
from harness.stats.responses import ResponseMix, Shift, shifts

_GRPC_SERVER_ERRORS = frozenset({2, 4, 8, 12, 13, 14, 15})
_CLIENT_ERROR, _SERVER_ERROR = 400, 500
_GRPC_CLASSES = {"4xx": "gRPC errors of the caller", "5xx": "gRPC errors of the server"}
_NAMED = 3
_JUDGED_AS_ERRORS = ("server:error_rate", "server:success_rate")


def objections(evidence: Evidence, plan: Plan) -> Iterator[Objection]:
    """Yield objections to a broken baseline, to errors that one arm causes for users, and to other shifts."""
    if not plan.live_traffic:
        return
    for label in (STATUS, GRPC_STATUS):
        found = answer_mix(evidence.series, label)
        if found is None:
            continue
        mix, block_s = found
        yield from _broken(mix, label, plan)
        if label == STATUS:
            yield from _unserved(mix, plan)
        yield from _shifted(mix, label, plan, block_s=block_s)


def answer_mix(series: tuple[Series, ...], label: str) -> tuple[ResponseMix, float] | None:
    """Return the answers by status, arm and block of time, and the length of a block; None without any.

    Blocks that are a gap in one arm are left out of both.
    """
    rows = {
        (int(found[1]), ARMS.index(one.arm)): one
        for one in series
        if (found := answered_with(one.name)) is not None and found[0] == label
    }
    codes = sorted({code for code, _ in rows})
    if not codes or any((code, arm) not in rows for code in codes for arm in range(len(ARMS))):
        return None
    counts = np.array([[rows[code, arm].values for arm in range(len(ARMS))] for code in codes], np.float64)
    counts = counts[:, :, np.isfinite(counts).all(axis=(0, 1))]
    times = rows[codes[0], BASELINE].at_s
    kinds = tuple(f"{'gRPC status ' if label == GRPC_STATUS else ''}{code}" for code in codes)
    status = np.array([_http(code) if label == GRPC_STATUS else code for code in codes], np.int64)
    block_s = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    return ResponseMix(kinds=kinds, status=status, counts=counts), block_s


def _http(grpc: int) -> int:
    """Return a status of HTTP that says as much about who is to blame as a status of gRPC."""
    if not grpc:
        return 200
    return _SERVER_ERROR if grpc in _GRPC_SERVER_ERRORS else _CLIENT_ERROR


def _broken(mix: ResponseMix, label: str, plan: Plan) -> Iterator[Objection]:
    share, ceiling = _share(mix, BASELINE, 500, 999), plan.judge.baseline_error_ceiling
    if share > ceiling:
        what = "gRPC answers" if label == GRPC_STATUS else "answers to users"
        yield Objection(
            text=f"{format_percent(share)} of the baseline's {what} are errors; expected at most "
            f"{format_percent(ceiling)} (judge.baseline-error-ceiling): a broken baseline is no reference; repair it, "
            "or compare with a build that works",
            no_reference=True,
        )


def _unserved(mix: ResponseMix, plan: Plan) -> Iterator[Objection]:
    expected = plan.expected_statuses
    client = [_share(mix, arm, 400, 499, expected) for arm in range(len(ARMS))]
    if min(client) > MOST:
        most = " and ".join(f"{format_percent(share)} of the {arm}'s" for share, arm in zip(client, ARMS, strict=True))
        yield Objection(text=f"{most} answers to users are client errors (4xx): hardly anything was served")
    for arm, name in enumerate(ARMS):
        other = max(_share(mix, arm, 300, 399, expected), _share(mix, arm, 100, 199, expected))
        if other > ONLY:
            yield Objection(
                text=f"{format_percent(other)} of the {name}'s answers to users are redirects or informational (3xx, "
                "1xx): hardly anything was served"
            )


def _share(mix: ResponseMix, arm: int, low: int, high: int, expected: tuple[int, ...] = ()) -> float:
    """Return the share of an arm's answers with a status in [low, high], or without one if errors are asked for."""
    counted = ((mix.status >= low) & (mix.status <= high)) | ((mix.status == 0) & (low == _SERVER_ERROR))
    counted &= ~np.isin(mix.status, expected)
    total = float(mix.requests[arm])
    return float(mix.totals[counted, arm].sum()) / total if total else 0.0


def _shifted(mix: ResponseMix, label: str, plan: Plan, *, block_s: float) -> Iterator[Objection]:
    compared = shifts(mix, block_s=block_s)
    moved = sorted(
        (
            one
            for one in compared
            if one.chance < ALPHA / len(compared) and _suspicious(one) and not _declared(one, label, plan.objectives)
        ),
        key=lambda one: -abs(one.canary - one.baseline),
    )
    if moved:
        kinds = _GRPC_CLASSES if label == GRPC_STATUS else {}
        listed = "; ".join(
            f"{kinds.get(one.kind, one.kind)}: {format_percent(one.baseline)} against {format_percent(one.canary)}"
            for one in moved[:_NAMED]
        )
        more = f"; and {len(moved) - _NAMED} more" if len(moved) > _NAMED else ""
        yield Objection(text=f"the arms answer users differently: {listed}{more}; find out why before you promote")


def _suspicious(shift: Shift) -> bool:
    """Whether the canary gives more answers of this kind, or fewer of one that is no server error."""
    return shift.canary > shift.baseline or 0 < shift.status < _SERVER_ERROR


def _declared(shift: Shift, label: str, objectives: tuple[Objective, ...]) -> bool:
    """Whether an unmuted objective about all requests is about this kind: what it tolerates needs no second opinion."""
    if 0 < shift.status < _SERVER_ERROR:
        return False
    names = ("server:grpc_error_rate",) if label == GRPC_STATUS else _JUDGED_AS_ERRORS
    return any(one.name in names and not one.muted and "endpoint" not in one.labels for one in objectives)
