"""Test one arm against a fixed limit: signed roots that account for the noise between the arm's blocks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.model.samples import CANARY
from harness.stats.histogram import position_of
from harness.stats.likelihood import root_of_share
from harness.stats.variance import overdispersion
from harness.stats.window import Window

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """A test statistic.

    ``value`` follows Student's t with ``degrees`` of freedom when the arm is exactly at its limit.
    """

    value: float
    degrees: float


def latency_limit_root(window: Window, quantile: float, limit_s: float) -> Root:
    """Test the canary's latency quantile against ``limit_s`` seconds; positive when the canary is slower.

    quantile: in (0, 1). The quantile is above the limit if and only if more than a share of 1 - quantile of the
    requests is above it, so this tests that share.
    """
    latencies = window.latencies
    slower = latencies.above(CANARY, position_of(limit_s) - latencies.first_bin)
    return share_limit_root(slower, latencies.answered[CANARY], 1 - quantile)


def rate_limit_root(window: Window, limit: float, *, errors: bool) -> Root:
    """Test the canary's error rate against ``limit`` (in [0, 1]), or its requests per second when not ``errors``."""
    if errors:
        return share_limit_root(window.failed[CANARY], window.requests[CANARY], limit)
    requests, exposure = window.requests[CANARY], window.exposure
    seconds = float(exposure.sum())
    expected, observed = limit * seconds, float(requests.sum())
    if expected <= 0:
        return Root(value=math.inf if observed > 0 else 0.0, degrees=1.0)
    noise = overdispersion(requests - observed / seconds * exposure, limit * exposure)
    return Root(value=(observed - expected) / math.sqrt(expected * noise.factor), degrees=noise.degrees)


def share_limit_root(events: Floats, trials: Floats, share: float) -> Root:
    """Test the share of ``events`` among ``trials`` of one arm, by block (shape (b,)), against ``share``."""
    total = float(trials.sum())
    if total <= 0:
        return Root(value=0.0, degrees=1.0)
    observed = float(events.sum()) / total
    noise = overdispersion(events - observed * trials, trials * max(observed * (1 - observed), 0.5 / total))
    value = root_of_share(float(events.sum()), total, share) / math.sqrt(noise.factor)
    return Root(value=value, degrees=noise.degrees)
