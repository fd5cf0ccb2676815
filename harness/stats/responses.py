"""Compare how the arms' responses are distributed over kinds: status codes, and errors without a response."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.model.samples import ARMS, Samples
from harness.stats.contrast import rate_contrast
from harness.stats.tails import t_tail
from harness.stats.tally import tally

Floats = NDArray[np.float64]
MOST_KINDS = 24
"""How many kinds are distinguished; rarer ones are compared together with those of their class, such as 4xx."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseMix:
    """Responses of one stretch of time by kind, arm and block.

    kinds: such as ``404`` or ``no answer: ConnectionRefusedError``, the most frequent first.
    status: the HTTP status of each kind, 0 where there was no response, shape (k,).
    counts: shape (k, 2, b); index 0 of the arms is the baseline.
    """

    kinds: tuple[str, ...]
    status: NDArray[np.int64]
    counts: Floats

    @property
    def totals(self) -> Floats:
        """Responses by kind and arm, shape (k, 2)."""
        totals: Floats = self.counts.sum(axis=2)
        return totals

    @property
    def requests(self) -> Floats:
        """Responses of all kinds by arm, shape (2,)."""
        requests: Floats = self.totals.sum(axis=0)
        return requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """One kind of response whose share differs between the arms.

    baseline, canary: its share of the arm's responses, in [0, 1]. chance: the two-sided probability of a difference
    at least as large if the arms were equal.
    """

    kind: str
    status: int
    baseline: float
    canary: float
    chance: float


def response_mix(samples: Samples, *, start_s: float, end_s: float, block_s: float) -> ResponseMix:
    """Count the responses to requests that were due in [start_s, end_s), in blocks of ``block_s`` seconds.

    Requests of no known arm are left out. Kinds beyond the ``MOST_KINDS`` most frequent are counted by class.
    """
    size = 1000 * (1 + int(samples.error.max(initial=0)))
    totals = np.zeros(size, np.int64)
    for requests in _parts(samples, start_s, end_s):
        totals += tally(requests.code, np.ones(len(requests.code), np.bool_), size)
    ordered = np.argsort(-totals, kind="stable")
    found = ordered[: int((totals > 0).sum())]
    named, rest = found[:MOST_KINDS], found[MOST_KINDS:]
    classes = np.unique(rest % 1000 // 100)
    place = np.zeros(size, np.int64)
    place[named] = np.arange(len(named))
    place[rest] = len(named) + np.searchsorted(classes, rest % 1000 // 100)
    kinds = (
        *(_kind(int(each), samples.errors) for each in named),
        *(f"other {each}xx" if each else "no answer: other errors" for each in classes.tolist()),
    )
    blocks = max(1, int(np.ceil((end_s - start_s) / block_s)))
    first_slot, counts = place * len(ARMS) * blocks, np.zeros(len(kinds) * len(ARMS) * blocks)
    for requests in _parts(samples, start_s, end_s):
        slot = np.minimum(((requests.due_s - start_s) / block_s).astype(np.int64), blocks - 1)
        slot += requests.arm.astype(np.int64) * blocks
        slot += first_slot[requests.code]
        counts += np.bincount(slot, minlength=len(counts))
    statuses = np.concatenate([named % 1000, classes * 100]).astype(np.int64)
    return ResponseMix(kinds=kinds, status=statuses, counts=counts.reshape(len(kinds), len(ARMS), blocks))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Requests:
    """Requests of known arms. code: the status, or 1000 times the number of the error if there was no answer."""

    due_s: Floats
    arm: NDArray[np.int8]
    code: NDArray[np.int64]


def _parts(samples: Samples, start_s: float, end_s: float) -> Iterator[_Requests]:
    """Yield the requests of known arms that were due in [start_s, end_s), part by part."""
    for part in samples.parts():
        inside = (part.due_s >= start_s) & (part.due_s < end_s) & (part.arm >= 0) & (part.arm < len(ARMS))
        rows = slice(None) if inside.all() else inside
        code = np.clip(part.status[rows], 0, 999).astype(np.int64)
        unanswered = np.flatnonzero(part.status[rows] == 0)
        code[unanswered] += part.error[rows][unanswered].astype(np.int64) * 1000
        yield _Requests(due_s=part.due_s[rows], arm=part.arm[rows], code=code)


def status_counts(samples: Samples, spans_s: Sequence[tuple[float, float]]) -> NDArray[np.int64]:
    """Count the requests that were due in any of ``spans_s``, by arm and status: shape (2, 1000).

    spans_s: start (included) and end (excluded) in seconds, not overlapping. Requests of no known arm are left out.
    """
    counts = np.zeros((len(ARMS), 1000), np.int64)
    for part in samples.parts():
        inside = np.zeros(len(part), bool)
        for start_s, end_s in spans_s:
            inside |= (part.due_s >= start_s) & (part.due_s < end_s)
        status = np.clip(part.status, 0, 999)
        for arm in range(len(ARMS)):
            counts[arm] += tally(status, inside & (part.arm == arm), 1000)
    return counts


def status_events(
    samples: Samples, statuses: range, blocks: NDArray[np.int64], *, block_s: float, span_s: tuple[float, float]
) -> tuple[Floats, Floats]:
    """Count the answers with one of ``statuses``, and all requests, by arm and block: two arrays of shape (2, b).

    blocks: block numbers in order, shape (b,); block k covers the run from k to k + 1 times ``block_s`` seconds.
    span_s: start and end in seconds; only requests due in [start, end) are counted. Requests of no known arm are not.
    """
    number = np.floor(samples.due_s * (1 / block_s)).astype(np.int64)
    inside = (samples.due_s >= span_s[0]) & (samples.due_s < span_s[1]) & (samples.arm >= 0)
    inside &= (samples.arm < len(ARMS)) & np.isin(number, blocks)
    slot = samples.arm[inside].astype(np.int64) * len(blocks) + np.searchsorted(blocks, number[inside])
    status = samples.status[inside]
    hit = (status >= statuses.start) & (status < statuses.stop)
    size = len(ARMS) * len(blocks)
    events, trials = (np.bincount(each, minlength=size).astype(np.float64) for each in (slot[hit], slot))
    return events.reshape(len(ARMS), -1), trials.reshape(len(ARMS), -1)


def shifts(mix: ResponseMix, *, block_s: float) -> tuple[Shift, ...]:
    """Compare every kind except the baseline's most frequent one between the arms; the least likely by chance first.

    Each kind is compared as a share of all responses, paired by block, over the long-run variance of the blocks
    (``harness.stats.contrast.rate_contrast``). So is each class of statuses with several kinds, such as 4xx, because
    each of them alone may be too rare. Returns nothing if no block has responses of both arms.
    """
    requests = mix.counts.sum(axis=0)
    found = []
    for kind, status, counts in _compared(mix):
        contrast = rate_contrast(counts, requests, seconds=requests.shape[1] * block_s)
        if contrast is None:
            return ()
        root = abs(contrast.root(0.0, relative=False)) / contrast.noise.factor**0.5
        found.append(
            Shift(
                kind=kind,
                status=status,
                baseline=contrast.baseline,
                canary=contrast.canary,
                chance=min(1.0, 2 * t_tail(root, contrast.noise.degrees)),
            )
        )
    return tuple(sorted(found, key=lambda shift: (shift.chance, shift.kind)))


def _compared(mix: ResponseMix) -> Iterator[tuple[str, int, Floats]]:
    """Yield the name, the status and the counts of each kind and class, but for those of the most frequent kind."""
    usual = int(np.argmax(mix.totals[:, 0])) if len(mix.kinds) else 0
    for number, kind in enumerate(mix.kinds):
        if number != usual:
            yield kind, int(mix.status[number]), mix.counts[number]
    classes = mix.status // 100
    for each in np.unique(classes).tolist():
        own = classes == each
        if own.sum() > 1 and not own[usual]:
            yield f"{each}xx" if each else "no answer", each * 100, mix.counts[own].sum(axis=0)


def _kind(code: int, errors: tuple[str, ...]) -> str:
    error, status = divmod(code, 1000)
    if status:
        return str(status)
    text = errors[error] if error < len(errors) else ""
    return f"no answer: {text}" if text else "no answer"
