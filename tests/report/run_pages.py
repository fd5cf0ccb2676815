"""Runs on disk for the tests of pages about several scenarios or runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import report_records as records

from harness import bundle, run_folder
from harness.model.declared import Declared
from harness.model.record import Record
from harness.model.verdict import Verdict
from harness.report import page as report
from harness.summary import Summary, summarise

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{7*7}}\x1b[31m\u202e"


def write(folder: Path, verdict: Verdict, **manifest: object) -> Path:
    """Write a bundle with its analysis and its report."""
    of, analysis = records.run(verdict)
    of = replace(of, manifest={**of.manifest, **manifest})
    bundle.write_bundle(of, folder)
    bundle.write_analysis(analysis, folder)
    bundle.write_report(report.render(of, analysis, folder=folder), folder)
    return folder


def run_of(folder: Path, *verdicts: Verdict, code: int | None = 0) -> Path:
    """Write a run with one bundle for each verdict; ``code`` is None for an unfinished one."""
    run_folder.begin_run(folder)
    for number, verdict in enumerate(verdicts):
        write(folder / f"test_{number}-{verdict}", verdict, test=f"scenarios/test_a.py::test_{number}")
    if code is not None:
        run_folder.finish_run(folder, code)
    return folder


def with_fault(of: Record, kind: str, host: str, text: str) -> Record:
    """The same record with one declared fault."""
    declared = Declared(id="f", kind=kind, host=host, text=text)
    counts = tuple(replace(count, fault=text, host=host, declared=declared) for count in of.fault_counts)
    phases = tuple(replace(phase, faults=(text,) if phase.faults else ()) for phase in of.plan.phases)
    return replace(of, plan=replace(of.plan, phases=phases), fault_counts=counts)


def matrix_of(hosts: int, faults: int) -> list[Summary]:
    """Summaries of a parametrised test: every fault on every host, with every verdict among them."""
    made = {verdict: records.run(verdict) for verdict in Verdict}
    found = []
    for number in range(hosts * faults):
        host, fault = f"service-{number % hosts}", number // hosts
        verdict = list(Verdict)[number % 4]
        of, analysis = made[verdict]
        text = f"delay({host}, {fault + 1} s, 30 %)"
        of = with_fault(
            replace(of, manifest={**of.manifest, "test": f"test_faults[{host}-{fault}]"}), "delay", host, text
        )
        found.append(summarise(of, analysis, run="20261128-090000-aaaa", folder=f"test_faults-{number:03d}"))
    return found
