"""A recorded run of the demo that tests replay, made without running it."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from recorded import record

from harness import bundle
from harness.config import Config, read_config, resolved
from harness.demo import PROJECT
from harness.faults import Fault
from harness.faults.recorded import fault_document
from harness.judge.objectives import parse_objective
from harness.model.hops import Hop
from harness.model.phase import PhaseKind, PhasePlan
from harness.model.record import Record
from harness.model.verdict import Analysis
from harness.runner.deciding import decide
from harness.wiring import judge

LENGTHS = {"warm-up": "1s", "steady": "3s", "fault": "0s", "recovery": "0s"}


def demo_config(**changes: Any) -> Config:
    """The configuration of the demo."""
    return replace(read_config(PROJECT / "harness.yaml"), **changes)


def hop(destination: str, version: str, *, arm: str, phase: str = "steady", **changes: Any) -> Hop:
    """Calls that took from 15 to 17 ms."""
    made = Hop(
        phase=phase, arm=arm, caller="reviews-v2", destination=f"{destination}.default.svc.cluster.local",
        version=version, calls=100, latency_ms=((15.0, 1.0, 60), (16.0, 1.0, 40)), size_bytes=((70.0, 1.0, 100),),
        statuses=((200, 100),),
    )  # fmt: skip
    return replace(made, **changes)


HOPS = (
    hop("ratings", "v1", arm="baseline"),
    hop("ratings", "v1", arm="canary"),
    hop("reviews", "v2", arm="baseline", caller="loadgenerator"),
    hop("reviews", "v3", arm="canary", caller="loadgenerator"),
)


def demo_record(*, faults: tuple[Fault, ...] = (), hops: tuple[Hop, ...] = HOPS, **changes: Any) -> Record:
    """A run of the demo: no fault, a warm-up and a steady phase at 50 requests per second."""
    files = sorted((PROJECT / "istio").glob("*.yaml"))
    resources = tuple(one for file in files for one in yaml.safe_load_all(file.read_text()) if one)
    texts = tuple(fault.words().text for fault in faults)
    base = record()
    phases = (
        PhasePlan(name="warm-up", kind=PhaseKind.WARM_UP, duration_s=1.0),
        PhasePlan(name="steady", kind=PhaseKind.STEADY, duration_s=3.0),
        *([PhasePlan(name="fault", kind=PhaseKind.FAULT, duration_s=3.0, faults=texts)] if faults else []),
    )
    plan = replace(
        base.plan, phases=phases, objectives=(parse_objective("error_rate < +50pp"),), rate_rps=50.0, seed=3,
    )  # fmt: skip
    asked = {
        "load": "browse", "arrivals": "poisson", "entry": "reviews", "faults": [fault_document(one) for one in faults],
        "phases": {**LENGTHS, **({"fault": "3s"} if faults else {})},
    }  # fmt: skip
    made = replace(
        base, plan=plan, hops=hops, resources={"before": resources}, config=resolved(demo_config()),
        manifest={**base.manifest, "scenario": asked}, fault_counts=(),
    )  # fmt: skip
    return replace(made, **changes)


def write_demo(folder: Path, record: Record | None = None) -> tuple[Path, Analysis]:
    """Write a bundle of the demo with its analysis."""
    made = record or demo_record()
    bundle.write_bundle(made, folder)
    analysis = decide(bundle.read_bundle(folder), judge("sequential"))
    bundle.write_analysis(analysis, folder)
    return folder, analysis


def git(folder: Path, *words: str) -> str:
    """What git prints."""
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True).stdout
