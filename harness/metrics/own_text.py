"""The metrics of the harness itself in Prometheus's text format: verdict, score, faults in force, length of the run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from harness.model.record import Record
from harness.model.verdict import Analysis, Verdict

_FAULT_LIVE = "canary_harness_fault_live"
_FAULT_LIVE_HEAD = (
    f"# HELP {_FAULT_LIVE} Faults that are in force now, or that the last run left behind.",
    f"# TYPE {_FAULT_LIVE} gauge",
)


def own_metrics(record: Record, analysis: Analysis) -> str:
    """Return the metrics of a finished run, with a line that says what each is."""
    return "\n".join(_lines(record, analysis)) + "\n"


def fault_live(service: str, scenario: str, live: int) -> str:
    """Return the number of faults in force as a metric."""
    return "\n".join([*_FAULT_LIVE_HEAD, _fault_line(service, scenario, live)]) + "\n"


def with_fault_live(text: str, service: str, scenario: str, live: int) -> str:
    """Return metrics with another number of faults in force for a scenario; the other lines stay as they are."""
    line = _fault_line(service, scenario, live)
    same = line.rpartition(" ")[0] + " "
    kept = [one for one in text.splitlines() if not one.startswith(same)]
    if _FAULT_LIVE_HEAD[1] not in kept:
        return "\n".join([*kept, *_FAULT_LIVE_HEAD, line]) + "\n"
    place = kept.index(_FAULT_LIVE_HEAD[1]) + 1
    return "\n".join([*kept[:place], line, *kept[place:]]) + "\n"


def began_s(record: Record) -> float:
    """Return when the first request was due, or when a run without any began, in epoch seconds."""
    if record.load is not None:
        return record.load.started_at
    started = record.manifest.get("started")
    return datetime.fromisoformat(started).timestamp() if isinstance(started, str) else 0.0


def _lines(record: Record, analysis: Analysis) -> Iterator[str]:
    service, scenario = record.plan.service, record.plan.scenario
    labels = _labels(service, scenario)
    yield "# HELP canary_harness_verdict Whether the last run of a scenario had this verdict."
    yield "# TYPE canary_harness_verdict gauge"
    for verdict in Verdict:
        yield f'canary_harness_verdict{{{labels},verdict="{verdict}"}} {int(analysis.verdict is verdict)}'
    length_s = record.phases[-1].end_s if record.phases else 0.0
    for name, what, value in (
        ("score", "The score of the last run, 0 to 100.", analysis.score),
        ("run_duration_seconds", "The length of the last run.", length_s),
        ("run_timestamp_seconds", "When the load of the last run began.", began_s(record)),
    ):
        yield f"# HELP canary_harness_{name} {what}"
        yield f"# TYPE canary_harness_{name} gauge"
        yield f"canary_harness_{name}{{{labels}}} {value!r}"
    yield from fault_live(service, scenario, len([one for one in record.rollbacks if not one.verified])).splitlines()


def _fault_line(service: str, scenario: str, live: int) -> str:
    return f"{_FAULT_LIVE}{{{_labels(service, scenario)}}} {live}"


def _labels(service: str, scenario: str) -> str:
    return f'service="{_escaped(service)}",scenario="{_escaped(scenario)}"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
