"""Count the answers to users by status, which the safeguards of live traffic read as those of a run read samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.metrics.collecting import Wanted
from harness.metrics.sources import Source, Span, Words
from harness.model.server_indicator import GRPC_STATUS, STATUS, Matcher, Selector, answers_key
from harness.model.server_table import SERVER_INDICATORS

_SHARE = next(one for one in SERVER_INDICATORS if one.name == "server:error_rate")
_GRPC = Matcher(label="request_protocol", operator="=", value="grpc")


def answers_by_status(
    source: Source, which: Mapping[str, Selector], arms: Mapping[str, Words], span: Span
) -> dict[str, tuple[Wanted, ...]]:
    """Return, by arm, what counts the answers with each status that either arm has given.

    which: all requests that an arm answers. An arm without any answer gets the indicators of the other one.
    """
    found: dict[str, list[Wanted]] = {arm: [] for arm in arms}
    for label, more in ((STATUS, ()), (GRPC_STATUS, (_GRPC,))):
        among = {arm: replace(one, matchers=(*one.matchers, *more)) for arm, one in which.items()}
        known = {value for arm, words in arms.items() for value in source.values_of(label, among[arm], words, span)}
        for value in sorted(one for one in known if one.isdecimal()):
            for arm, selector in among.items():
                found[arm].append(_with_status(label, value, selector))
    return {arm: tuple(wanted) for arm, wanted in found.items()}


def _with_status(label: str, value: str, among: Selector) -> Wanted:
    key = answers_key(label, value)
    events = replace(among, matchers=(*among.matchers, Matcher(label=label, operator="=", value=value)))
    return Wanted(key=key, indicator=replace(_SHARE, name=key, events=events, of=among), labels={})
