"""Records that are valid and odd: whatever a run recorded, it is judged, written, read and shown, or refused."""

from __future__ import annotations

import dataclasses
import math
import shutil
from typing import Any

import numpy as np
import recorded
from fuzzing import FOLDER, TEXTS, fuzzed, survives
from hypothesis import given
from hypothesis import strategies as st

from harness.bundle import analysis_json, read_bundle, write_analysis, write_bundle
from harness.judge.kayenta.judge import KayentaJudge
from harness.judge.limits import LimitsJudge
from harness.judge.objectives import parse_objective
from harness.judge.port import Judge
from harness.judge.sequential import SequentialJudge
from harness.model.phase import Phase, PhaseKind
from harness.model.record import Event, Record, Rollback, Series
from harness.model.samples import Samples
from harness.model.verdict import Verdict
from harness.report import junit, markdown, page, terminal
from harness.runner.deciding import decide

_FLOATS = st.sampled_from([0.0, -0.0, 1e-9, 0.01, 0.025, 1.0, 26.0, 1e9, 1e308, -1.0, math.nan, math.inf, -math.inf])
_TEXTS = st.sampled_from(
    [text for text in TEXTS if len(text) < 400 and text.isprintable()] + ["\x1b[2J", "\x00", "|", "<b>"]
)
_EDGES = [0.0, 1.0, 2.0, 12.0, 22.0, 26.0, 600.0, 4000.0, 1e6, 1e9, 1e15]
_OBJECTIVES = st.lists(
    st.sampled_from(
        ["latency_p99 < +10%", "latency_p50 < 30ms", "error_rate < +0.5pp", "error_rate < 1%", "throughput > -5%",
         "split < 10pp", "recovery_time < +5s", "status_5xx < +1pp", "status_404 < 1%", "latency_p50{phase=steady} < +1%"]
    ),
    max_size=3,
)  # fmt: skip


@st.composite
def _samples(draw: st.DrawFn, end_s: float) -> Samples:
    count = draw(st.sampled_from([0, 1, 2, 7, 200]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    texts = ("", *draw(st.lists(_TEXTS, max_size=2, unique=True)))
    columns: dict[str, Any] = {
        "due_s": np.linspace(0, end_s, count, endpoint=False), "latency_s": rng.lognormal(-3.7, 0.3, count),
        "late_s": np.zeros(count), "status": rng.choice([0, 100, 200, 301, 404, 500, 503, 999, -1], count).astype(np.int16),
        "arm": rng.choice([-1, 0, 1], count).astype(np.int8), "operation": rng.integers(0, len(texts), count).astype(np.int16),
        "error": rng.integers(0, len(texts), count).astype(np.int16), "size": rng.integers(-1, 2**31 - 1, count).astype(np.int32),
    }  # fmt: skip
    for name in draw(st.lists(st.sampled_from(["due_s", "latency_s", "late_s"]), max_size=2)):
        columns[name][: draw(st.integers(0, 5))] = draw(_FLOATS)
    for name, value in draw(
        st.dictionaries(st.sampled_from(["status", "arm"]), st.sampled_from([-1, 0, 1]), max_size=1)
    ).items():
        columns[name][:] = value
    return Samples(**columns, operations=texts, errors=texts)


@st.composite
def _records(draw: st.DrawFn) -> Record:
    edges = sorted(draw(st.lists(st.sampled_from(_EDGES), min_size=2, max_size=5)))
    kinds = draw(st.lists(st.sampled_from(list(PhaseKind)), min_size=len(edges), max_size=len(edges)))
    phases = tuple(
        Phase(name=f"{kind}{number}", kind=kind, start_s=start, end_s=end)
        for number, (kind, start, end) in enumerate(zip(kinds, edges, edges[1:], strict=False))
    )
    plan = dataclasses.replace(
        recorded.plan(), scenario=draw(_TEXTS), objectives=tuple(map(parse_objective, draw(_OBJECTIVES))),
        canary_share=draw(st.sampled_from([1e-9, 0.5, 0.999999])), rate_rps=draw(st.sampled_from([1e-6, 100.0, 1e9])),
    )  # fmt: skip
    if draw(st.booleans()):
        lengths = [dataclasses.replace(phase, duration_s=draw(st.sampled_from(_EDGES))) for phase in plan.phases]
        plan = dataclasses.replace(plan, phases=tuple(lengths))
    samples = draw(_samples(draw(st.sampled_from([26.0, max(edges)]))))
    arm = st.sampled_from(["baseline", "canary"])
    return recorded.record(
        plan=plan, samples=samples, phases=phases if draw(st.booleans()) else recorded.phases(),
        load=draw(st.sampled_from([None, recorded.load_report(0), recorded.load_report(len(samples))])),
        events=(Event(at_s=draw(_FLOATS), kind=draw(_TEXTS), text=draw(_TEXTS), fields={"seconds": draw(_FLOATS)}),),
        rollbacks=draw(st.sampled_from([(), (Rollback(change="\x1b[1m", verified=False, seconds=0.0, detail="|"),)])),
        series=(Series(name="x", arm=draw(arm), unit="", source="q", at_s=(0.0, draw(_FLOATS)), values=(draw(_FLOATS), 1.0)),),
        endpoint_requests=draw(st.sampled_from([{}, {"baseline": {"a": 0}}, {"baseline": {"a": 1}, "canary": {"a": -5}}])),
        aborted=draw(st.sampled_from(["", "harm is proven: \x1b[2J", "x"])),
    )  # fmt: skip


@fuzzed
@given(_records(), st.sampled_from([SequentialJudge(), LimitsJudge(), KayentaJudge()]))
def test_odd_runs(record: Record, judge: Judge) -> None:
    """From the record to the verdict, through the bundle and back, and into every report; never a pass of nothing."""
    folder = FOLDER / "odd"

    def read() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        write_bundle(record, folder)
        again = read_bundle(folder)
        analysis = decide(again, judge)
        assert analysis_json(analysis) == analysis_json(decide(again, judge))
        write_analysis(analysis, folder)
        shown = (terminal.render(again, analysis), markdown.render(again, analysis), page.render(again, analysis))
        assert not any("\x1b" in text for text in (*shown, str(junit.properties(again, analysis))))
        sizes = [int((again.samples.arm == arm).sum()) for arm in (0, 1)]
        assert analysis.verdict is not Verdict.PASS or min(sizes) > 20

    survives("odd runs", read)
