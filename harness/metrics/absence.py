"""Say why an answer is empty: the metric, a label's value, or the traffic is missing, and the nearest name."""

from __future__ import annotations

from dataclasses import replace

from harness.metrics.promql import filled
from harness.metrics.sources import Source, Span, Words
from harness.model.names import did_you_mean
from harness.model.server_indicator import Matcher, Selector


def absent(source: Source, which: Selector, words: Words, span: Span, *, suffix: str = "") -> str:
    """Return why a selector has no readings, as a part of a sentence."""
    there = replace(which, metric=f"{which.metric}{suffix}", also=tuple(f"{name}{suffix}" for name in which.also))
    bare = replace(there, matchers=())
    if not source.values_of("__name__", bare, words, span):
        known = source.metrics(there.metric.split("_")[0], span)
        return f"no metric {there.metric}{did_you_mean(there.metric, known)}"
    for position in range(len(there.matchers)):
        tried = replace(there, matchers=there.matchers[: position + 1])
        if source.values_of("__name__", tried, words, span):
            continue
        matcher = there.matchers[position]
        before = replace(there, matchers=there.matchers[:position])
        known = source.values_of(matcher.label, before, words, span)
        return _no_value(matcher, words, known)
    return f"no traffic: {there.metric} has these labels, but no reading in this time"


def _no_value(matcher: Matcher, words: Words, known: tuple[str, ...]) -> str:
    wanted = filled(matcher.value, words)
    if not known:
        return f"no label {matcher.label} that is {matcher.operator} {wanted!r}"
    listed = ", ".join(known[:8]) + (" and more" if len(known) > 8 else "")
    return f"no label {matcher.label}{matcher.operator}{wanted!r}{did_you_mean(wanted, known)}; known: {listed}"
