"""What a scenario may ask for although it shows little: said in its plan and in its verdict, and not refused."""

from __future__ import annotations

from collections.abc import Iterable

from harness.faults.abort import answers_as_success
from harness.judge.safeguards.coverage import wide_tolerances
from harness.model.declared import Declared
from harness.model.record import Plan, Record
from harness.model.run_kind import is_control


def plan_warnings(plan: Plan, faults: Iterable[Declared]) -> tuple[str, ...]:
    """Return what a person should know about a plan before it is carried out."""
    return (*wide_tolerances(plan), *_mild(faults))


def fault_warnings(record: Record) -> tuple[str, ...]:
    """Return a warning for each fault that hardly disturbs anybody, and for each positive control."""
    controls = sorted({count.fault for count in record.fault_counts if is_control(count)})
    return (
        *_mild(count.declared for count in record.fault_counts if count.declared is not None),
        *(
            f"positive control: {text}: only the canary was hit, so a fail shows that a worse canary is noticed, and "
            "no verdict of this run says anything about the build"
            for text in controls
        ),
    )


def _mild(faults: Iterable[Declared]) -> tuple[str, ...]:
    texts = {one.text for one in faults if answers_as_success(one)}
    return tuple(f"{text}: callers get an empty answer that says success: is an error meant?" for text in sorted(texts))
