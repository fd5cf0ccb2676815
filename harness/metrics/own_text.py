"""The metrics of the harness itself in Prometheus's text format: verdict, score, faults in force, length of the run."""

from __future__ import annotations

from collections.abc import Iterator

from harness.model.record import Record
from harness.model.verdict import Analysis, Verdict


def own_metrics(record: Record, analysis: Analysis) -> str:
    """Return the metrics of a finished run, with a line that says what each is."""
    return "\n".join(_lines(record, analysis)) + "\n"


def _lines(record: Record, analysis: Analysis) -> Iterator[str]:
    labels = f'service="{_escaped(record.plan.service)}",scenario="{_escaped(record.plan.scenario)}"'
    yield "# HELP canary_harness_verdict Whether the last run of a scenario had this verdict."
    yield "# TYPE canary_harness_verdict gauge"
    for verdict in Verdict:
        yield f'canary_harness_verdict{{{labels},verdict="{verdict}"}} {int(analysis.verdict is verdict)}'
    length_s = record.phases[-1].end_s if record.phases else 0.0
    began = record.load.started_at if record.load else 0.0
    live = len([one for one in record.rollbacks if not one.verified])
    for name, what, value in (
        ("score", "The score of the last run, 0 to 100.", analysis.score),
        ("fault_live", "Changes of the last run that were not seen to be reverted.", live),
        ("run_duration_seconds", "The length of the last run.", length_s),
        (
            "run_timestamp_seconds",
            "When the load of the last run began.",
            began,
        ),
    ):
        yield f"# HELP canary_harness_{name} {what}"
        yield f"# TYPE canary_harness_{name} gauge"
        yield f"canary_harness_{name}{{{labels}}} {value!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
