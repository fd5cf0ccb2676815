"""The progress of a run, as the terminal shows it once a second."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.model.samples import BASELINE, CANARY, Samples
from harness.model.units import format_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A moment of a run.

    elapsed_s, total_s: seconds since the first due request and of the whole load. rate_rps: answers per second.
    failed, requests, p50_s: failed requests, all requests and median latency in this phase, for baseline and canary.
    """

    elapsed_s: float
    total_s: float
    phase: str
    rate_rps: float
    failed: tuple[int, int]
    requests: tuple[int, int]
    p50_s: tuple[float, float]

    def __str__(self) -> str:
        arms = " · ".join(
            f"{arm} {failed}/{requests} failed, p50 {format_duration(p50)}"
            for arm, failed, requests, p50 in zip(
                ("baseline", "canary"), self.failed, self.requests, self.p50_s, strict=True
            )
        )
        return f"{self.elapsed_s:4.0f}/{self.total_s:.0f} s  {self.phase:<9}  {self.rate_rps:4.0f} req/s  {arms}"


def progress(
    samples: Samples, *, elapsed_s: float, total_s: float, phase: str, phase_start_s: float, window_s: float
) -> Progress:
    """Return the progress: the rate of the last ``window_s`` seconds, and each arm since ``phase_start_s``."""
    done_s = samples.due_s + samples.latency_s
    recent = int(np.count_nonzero(done_s > elapsed_s - window_s))
    here = samples.due_s >= phase_start_s
    arms = [here & (samples.arm == arm) for arm in (BASELINE, CANARY)]
    failed = samples.failed
    return Progress(
        elapsed_s=elapsed_s,
        total_s=total_s,
        phase=phase,
        rate_rps=recent / window_s if window_s > 0 else 0.0,
        failed=(int((failed & arms[0]).sum()), int((failed & arms[1]).sum())),
        requests=(int(arms[0].sum()), int(arms[1].sum())),
        p50_s=(_median(samples.latency_s[arms[0]]), _median(samples.latency_s[arms[1]])),
    )


def _median(latencies_s: np.ndarray) -> float:
    return float(np.median(latencies_s)) if latencies_s.size else float("nan")
