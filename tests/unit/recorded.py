"""A small recorded run for tests of what reads records."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from harness.judge.objectives import parse_objective
from harness.model.load import LoadReport
from harness.model.phase import Phase, PhaseKind, PhasePlan
from harness.model.record import Event, FaultCount, Plan, Record, Rollback
from harness.model.samples import BASELINE, CANARY, Samples

FAULT = "delay(ratings, 2 s, 30 %)"
LENGTHS = {PhaseKind.WARM_UP: 2.0, PhaseKind.STEADY: 10.0, PhaseKind.FAULT: 10.0, PhaseKind.RECOVERY: 4.0}
RATE_RPS = 100.0


def samples(count: int = 2600, *, canary_share: float = 0.5, unknown: int = 0, seed: int = 1) -> Samples:
    """Requests at an even rate, with lognormal latencies around 25 ms."""
    rng = np.random.default_rng(seed)
    arm = np.where(rng.random(count) < canary_share, CANARY, BASELINE).astype(np.int8)
    arm[:unknown] = -1
    return Samples(
        due_s=np.linspace(0, 26, count, endpoint=False),
        latency_s=rng.lognormal(np.log(0.025), 0.3, count),
        late_s=np.zeros(count),
        status=np.full(count, 200, np.int16),
        arm=rng.permutation(arm),
        operation=np.zeros(count, np.int16),
        error=np.zeros(count, np.int16),
        size=np.full(count, 300, np.int32),
        operations=("/reviews",),
        errors=("",),
    )


def plan() -> Plan:
    """Warm-up, steady, fault, recovery."""
    phases = tuple(
        PhasePlan(name=kind.value, kind=kind, duration_s=length, faults=(FAULT,) if kind is PhaseKind.FAULT else ())
        for kind, length in LENGTHS.items()
    )
    return Plan(
        scenario="slow ratings", service="reviews", target="local", phases=phases,
        objectives=(parse_objective("latency_p50 < +15%"), parse_objective("error_rate < +1pp")),
        canary_share=0.5, rate_rps=RATE_RPS, seed=7,
    )  # fmt: skip


def load_report(count: int = 2600) -> LoadReport:
    """A load that went as planned."""
    return LoadReport(
        planned=count, recorded=count, counted=count, dropped=0, late_p50_s=1e-4, late_p99_s=8e-4,
        workers=1, workers_alive=1, cpu_share=0.3, started_at=1.7e9, exit_code=0,
    )  # fmt: skip


def phases() -> tuple[Phase, ...]:
    """The planned phases, as they were."""
    found, start = [], 0.0
    for kind, length in LENGTHS.items():
        faults = (FAULT,) if kind is PhaseKind.FAULT else ()
        found.append(Phase(name=kind.value, kind=kind, start_s=start, end_s=start + length, faults=faults))
        start += length
    return tuple(found)


def fault_count(arm: str, *, hit: int = 150, requests: int = 500) -> FaultCount:
    """Calls of one arm to ratings while 30 % of them were delayed."""
    return FaultCount(
        phase="fault", fault=FAULT, host="ratings", caller=f"reviews-{arm}", arm=arm, requests=requests, hit=hit, dose=0.3
    )  # fmt: skip


def counted_by_proxies(made: Samples) -> dict[str, int]:
    """Return what proxies count for these samples. They do not know the arm of unmarked requests either."""
    arms = {name: int((made.arm == arm).sum()) for name, arm in (("baseline", BASELINE), ("canary", CANARY))}
    return {**arms, "": len(made) - sum(arms.values())}


def record(**changed: Any) -> Record:
    """A run in which everything that has to be proven is proven."""
    service = {"kind": "VirtualService", "metadata": {"name": "reviews", "namespace": "default"}, "spec": {"http": []}}
    known: dict[str, Any] = {
        "plan": plan(),
        "phases": phases(),
        "samples": samples(),
        "load": load_report(),
        "events": (Event(at_s=-0.5, kind="fault", text="split: live"), Event(at_s=0.0, kind="phase", text="warm-up")),
        "fault_counts": (fault_count("baseline"), fault_count("canary")),
        "rollbacks": (Rollback(change="split", verified=True, seconds=0.01),),
        "resources": {"before": (service,), "during": (service,), "after": (service,)},
        "proxy_requests": counted_by_proxies(changed.get("samples", samples())),
        "manifest": {"run": "a1b2", "again": "pytest x", "packages": {"numpy": "2"}},
        "config": {"service": "reviews"},
    }
    return Record(**{**known, **changed})


def listed_again(folder: Path, name: str) -> None:
    """Update a bundle's entry for a changed file, as a person who edits a bundle would."""
    lists = folder / ("hashes.json" if name in ("manifest.json", "analysis.json", "report.html") else "manifest.json")
    document, content = json.loads(lists.read_text()), (folder / name).read_bytes()
    document["files"][name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    lists.write_text(json.dumps(document))


def rehash(folder: Path) -> None:
    """Make the hashes of a bundle agree with its files, as somebody who edits a bundle would."""

    def described(path: Path) -> dict[str, Any]:
        content = path.read_bytes()
        return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}

    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
        manifest["files"] = {name: described(folder / name) for name in manifest["files"]}
        (folder / "manifest.json").write_text(json.dumps(manifest))
    except (ValueError, LookupError, TypeError, RecursionError, OSError):
        pass  # the manifest itself is what was edited
    names = [name for name in ("manifest.json", "analysis.json", "report.html") if (folder / name).is_file()]
    (folder / "hashes.json").write_text(json.dumps({"files": {name: described(folder / name) for name in names}}))
