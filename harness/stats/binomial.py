"""Confidence intervals for a share."""

from __future__ import annotations

from harness.stats.tails import special


def share_interval(hits: int, trials: int, *, confidence: float) -> tuple[float, float]:
    """Return the exact (conservative) confidence interval for a share.

    Args:
        hits: number of successes, from 0 to ``trials``.
        trials: number of independent trials, at least 0.
        confidence: confidence level in (0, 1).

    Returns the lower and upper limit in [0, 1]; (0, 1) without trials. Raises ValueError for impossible ``hits``.
    Assumes independent trials with the same probability of success.
    Source: Clopper & Pearson, Biometrika 26 (1934), written as quantiles of beta distributions.
    """
    if not 0 <= hits <= trials:
        raise ValueError(f"expected 0 to {trials} hits, found {hits}")
    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else float(special().betaincinv(hits, trials - hits + 1, tail))
    high = 1.0 if hits == trials else float(special().betainccinv(hits + 1, trials - hits, tail))
    return low, high


def binomial_tails(hits: int, trials: int, share: float) -> tuple[float, float]:
    """Return the probabilities of at least and of at most ``hits`` successes in ``trials`` trials.

    share: the probability of one success. Without trials, both are 1.
    Source: the binomial distribution as an incomplete beta function.
    """
    at_least = 1.0 if hits == 0 else float(special().betainc(hits, trials - hits + 1, share))
    at_most = 1.0 if hits == trials else float(special().betaincc(hits + 1, trials - hits, share))
    return at_least, at_most
