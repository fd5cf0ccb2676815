"""Warn of scenarios that are allowed but show little, in their plan and in their verdict."""

from __future__ import annotations

from collections.abc import Iterable

from harness.faults.abort import answers_as_success
from harness.judge.safeguards.coverage import wide_tolerances
from harness.model.declared import Declared
from harness.model.record import Plan, Record
from harness.model.run_kind import is_control
from harness.model.server_table import server_indicator

_ONE_PROXY = ("local", "stage")


def plan_warnings(plan: Plan, faults: Iterable[Declared]) -> tuple[str, ...]:
    """Return what a person should know about a plan before it is carried out."""
    return (*wide_tolerances(plan), *_mild(faults), *_shared_proxy(plan))


def fault_warnings(record: Record) -> tuple[str, ...]:
    """Return a warning for each fault that hardly disturbs anybody, and for each positive control.

    What faults leave behind and cannot be measured on this mesh is named too.
    """
    controls = sorted({count.fault for count in record.fault_counts if is_control(count)})
    return (
        *_shared_proxy(record.plan),
        *_mild(count.declared for count in record.fault_counts if count.declared is not None),
        *(
            f"positive control: {text}: only the canary was hit, so a fail shows that a worse canary is noticed, and "
            "no verdict of this run says anything about the build"
            for text in controls
        ),
    )


def _shared_proxy(plan: Plan) -> tuple[str, ...]:
    """Return a sentence for each objective that needs a proxy for each arm, where both arms share one."""
    if plan.target not in _ONE_PROXY:
        return ()
    found = ((one, server_indicator(one.plain_name)) for one in plan.objectives)
    return tuple(
        f"{one.text}: it cannot be measured here, because both arms share one Envoy on the local mesh, which does not "
        "tell whose calls it was; on a cluster each arm has proxies of its own"
        for one, indicator in found
        if indicator is not None and indicator.by_proxy
    )


def _mild(faults: Iterable[Declared]) -> tuple[str, ...]:
    texts = {one.text for one in faults if answers_as_success(one)}
    return tuple(f"{text}: callers get an empty answer that says success: is an error meant?" for text in sorted(texts))
