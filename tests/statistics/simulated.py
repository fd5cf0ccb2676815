"""Small simulated runs for tests of the statistics."""

from __future__ import annotations

import numpy as np

from harness.model.phase import Phase, PhaseKind
from harness.model.samples import DTYPES, Samples
from harness.stats.table import reduce_samples
from harness.stats.window import Window, window_of

SECONDS = 60.0


def samples_of(seed, *, count, canary_factor=1.0, errors=(0.0, 0.0), share=0.5) -> Samples:
    """Independent lognormal latencies over a minute; ``errors`` are the rates of baseline and canary."""
    rng = np.random.default_rng(seed)
    columns = {name: np.zeros(count, dtype) for name, dtype in DTYPES.items()}
    arm = (rng.random(count) < share).astype(np.int8)
    latency = 0.025 * np.exp(0.5 * rng.standard_normal(count)) * np.where(arm == 1, canary_factor, 1.0)
    failed = rng.random(count) < np.where(arm == 1, errors[1], errors[0])
    columns |= {
        "due_s": rng.uniform(0, SECONDS, count),
        "latency_s": latency,
        "arm": arm,
        "status": np.where(failed, 503, 200).astype(np.int16),
    }
    return Samples(**columns, operations=("GET /",), errors=("",))


def window_of_samples(samples: Samples) -> Window:
    """All of them as one steady phase in blocks of a second."""
    phase = Phase(name="steady", kind=PhaseKind.STEADY, start_s=0.0, end_s=SECONDS)
    return window_of(reduce_samples(samples, (phase,), block_s=1.0), "steady")
