"""Write the Grafana dashboard: ``python deploy/grafana/build.py``. It compares the arms hop by hop.

The panels ask for Istio's standard metrics and for the metrics that the harness publishes of itself. Fault windows,
steps and verdicts appear as annotations with the tag ``canary-harness``, which the harness posts (``publish:`` in
harness.yaml). A test evaluates every expression with a real Prometheus.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from grafana_foundation_sdk.builders import dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef

FILE = Path(__file__).with_name("canary.json")
_ARMS = 'destination_service_name="$service",destination_version=~"$baseline|$canary",reporter="$reporter"'
_CALLS = 'source_workload=~"$service-($baseline|$canary)",reporter="source"'
_PODS = 'namespace="$namespace",pod=~"$service-($baseline|$canary)(-.*)?",container!~"|POD|istio-proxy"'
_W = "[$__rate_interval]"


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One panel: what it shows and the expressions behind it, with their legends."""

    title: str
    unit: str
    targets: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


def _by(expression: str, legend: str) -> tuple[tuple[str, str], ...]:
    return ((expression, legend),)


ROWS = (
    Row(title="What users see", panels=(
        Panel(title="Requests", unit="reqps", targets=_by(
            f"sum by (destination_version) (rate(istio_requests_total{{{_ARMS}}}{_W}))", "{{destination_version}}")),
        Panel(title="Errors", unit="percentunit", targets=_by(
            f'sum by (destination_version) (rate(istio_requests_total{{{_ARMS},response_code=~"5..|0"}}{_W}))'
            f" / sum by (destination_version) (rate(istio_requests_total{{{_ARMS}}}{_W}))", "{{destination_version}}")),
        Panel(title="Latency, p50 and p99", unit="ms", targets=tuple(
            (f"histogram_quantile({quantile}, sum by (destination_version, le) "
             f"(rate(istio_request_duration_milliseconds_bucket{{{_ARMS}}}{_W})))",
             f"{{{{destination_version}}}} p{round(100 * quantile)}") for quantile in (0.5, 0.99))),
    )),
    Row(title="What each arm calls", panels=(
        Panel(title="Calls", unit="reqps", targets=_by(
            f"sum by (source_workload, destination_service_name) (rate(istio_requests_total{{{_CALLS}}}{_W}))",
            "{{source_workload}} to {{destination_service_name}}")),
        Panel(title="Failed calls, without injected ones", unit="reqps", targets=_by(
            "sum by (source_workload, destination_service_name) (rate(istio_requests_total"
            f'{{{_CALLS},response_code=~"5..|0",response_flags!~".*(DI|FI).*"}}{_W}))',
            "{{source_workload}} to {{destination_service_name}}")),
        Panel(title="Calls hit by a fault", unit="percentunit", targets=_by(
            "sum by (source_workload, destination_service_name) (rate(istio_requests_total"
            f'{{{_CALLS},response_flags=~".*(DI|FI).*"}}{_W}))'
            f" / sum by (source_workload, destination_service_name) (rate(istio_requests_total{{{_CALLS}}}{_W}))",
            "{{source_workload}} to {{destination_service_name}}")),
        Panel(title="Latency of calls, p90", unit="ms", targets=_by(
            "histogram_quantile(0.9, sum by (source_workload, destination_service_name, le) "
            f"(rate(istio_request_duration_milliseconds_bucket{{{_CALLS}}}{_W})))",
            "{{source_workload}} to {{destination_service_name}}")),
    )),
    Row(title="Resources", panels=(
        Panel(title="CPU", unit="short", targets=_by(
            f"sum by (pod) (rate(container_cpu_usage_seconds_total{{{_PODS}}}{_W}))", "{{pod}}")),
        Panel(title="Memory", unit="bytes", targets=_by(
            f"sum by (pod) (container_memory_working_set_bytes{{{_PODS}}})", "{{pod}}")),
    )),
    Row(title="The harness", panels=(
        Panel(title="Score", unit="short", targets=_by(
            'max by (scenario) (canary_harness_score{service="$service"})', "{{scenario}}")),
        Panel(title="Verdict", unit="short", targets=_by(
            'max by (scenario, verdict) (canary_harness_verdict{service="$service"} == 1)',
            "{{scenario}}: {{verdict}}")),
        Panel(title="Faults in force", unit="short", targets=_by(
            'max by (scenario) (canary_harness_fault_live{service="$service"})', "{{scenario}}")),
        Panel(title="Length of the last run", unit="s", targets=_by(
            'max by (scenario) (canary_harness_run_duration_seconds{service="$service"})', "{{scenario}}")),
    )),
)  # fmt: skip


def expressions() -> Iterator[str]:
    """Yield the expression of every panel."""
    for row in ROWS:
        for panel in row.panels:
            yield from (expression for expression, _ in panel.targets)


def built() -> str:
    """Return the dashboard as JSON."""
    board = (
        dashboard.Dashboard("Canary against baseline")
        .uid("canary-harness")
        .tags(["canary-harness", "istio"])
        .refresh("10s")
        .time("now-30m", "now")
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .annotation(
            dashboard.AnnotationQuery()
            .name("Phases, faults, steps and verdicts")
            .datasource(DataSourceRef(type_val="grafana", uid="-- Grafana --"))
            .enable(True)  # noqa: FBT003 - the library's API
            .icon_color("orange")
            .target(
                dashboard.AnnotationTarget()
                .limit(200)
                .match_any(False)  # noqa: FBT003 - the library's API
                .tags(["canary-harness"])
                .type("tags")
            )
        )
    )
    for name, value in (
        ("namespace", "default"), ("service", "reviews"), ("baseline", "v2"), ("canary", "v3"),
        ("reporter", "destination"),
    ):  # fmt: skip
        board = board.with_variable(dashboard.TextBoxVariable(name).default_value(value))
    for row in ROWS:
        board = board.with_row(dashboard.Row(row.title))
        for panel in row.panels:
            board = board.with_panel(_panel(panel, span=24 // len(row.panels)))
    return JSONEncoder(sort_keys=True, indent=2).encode(board.build()) + "\n"


def _panel(panel: Panel, *, span: int) -> timeseries.Panel:
    made = (
        timeseries.Panel()
        .title(panel.title)
        .unit(panel.unit)
        .span(span)
        .height(8)
        .datasource(DataSourceRef(type_val="prometheus", uid="${datasource}"))
    )
    for number, (expression, legend) in enumerate(panel.targets):
        made = made.with_target(prometheus.Dataquery().expr(expression).legend_format(legend).ref_id("ABCDEF"[number]))
    return made


if __name__ == "__main__":
    FILE.write_text(built())
