"""What programs write: recorded runs, files of requests, answers of proxies and servers, journals."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import recorded
from fuzzing import (
    FOLDER,
    NUMBERS,
    TEXTS,
    as_json,
    as_yaml,
    fuzzed,
    json_texts,
    mutated,
    survives,
    values,
    written,
    yaml_texts,
)  # fmt: skip
from hypothesis import example, given, reject
from hypothesis import strategies as st

from harness.bundle import read_analysis, read_bundle, write_analysis, write_bundle
from harness.clients.kubernetes.errors import refusal
from harness.clients.kubernetes.kinds import kind_of
from harness.clients.parquet import read_samples, write_samples
from harness.clients.request_files import read_requests
from harness.judge.sequential import SequentialJudge
from harness.mesh.cluster.recovery.journal import left_on_disk
from harness.mesh.local.counting import request_counts
from harness.mesh.local.telemetry import REQUESTS
from harness.runner.deciding import decide

JOURNAL = json.loads((Path(__file__).parents[1] / "cluster" / "journals" / "format-1.json").read_text())
_JSON = ("plan.json", "config.json", "facts.json", "analysis.json", "manifest.json")


@pytest.fixture(scope="module")
def bundle() -> Path:
    """A recorded run; each input changes one of its files."""
    folder = FOLDER / "bundle"
    record = recorded.record()
    write_bundle(record, folder)
    write_analysis(decide(record, SequentialJudge()), folder)
    shutil.copytree(folder, FOLDER / "whole")
    assert survives("bundle", lambda: (read_bundle(folder), read_analysis(folder)))
    return folder


def _documents(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {name: json.loads((folder / name).read_text()) for name in _JSON}
    found["timeline.ndjson"] = [json.loads(line) for line in (folder / "timeline.ndjson").read_text().splitlines()]
    return found


def _replaced(folder: Path, name: str, content: str | bytes) -> None:
    """Replace a file of the bundle and make the manifest agree, as somebody who edits a bundle would."""
    for path in (*_JSON, "timeline.ndjson"):
        shutil.copy(FOLDER / "whole" / path, folder / path)
    file = folder / name
    before = file.read_bytes()
    file.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    recorded.rehash(folder)
    try:
        read_bundle(folder)
        read_analysis(folder)
    finally:
        file.write_bytes(before)


@fuzzed
@given(st.data())
def test_bundle(bundle: Path, data: st.DataObject) -> None:
    """The JSON and YAML files of a bundle, each changed so that its hash is right."""
    documents = _documents(FOLDER / "whole")
    name = data.draw(st.sampled_from([*documents, "resources"]))
    if name == "resources":
        stages = sorted((FOLDER / "whole" / "resources").glob("*.yaml"))
        if not stages:
            return
        name, content = f"resources/{stages[0].name}", data.draw(yaml_texts | values.map(as_yaml))
    elif name == "timeline.ndjson":
        changed = data.draw(mutated(documents[name]))
        lines = changed if isinstance(changed, list) else [changed]
        content = "\n".join(map(as_json, lines)) + data.draw(json_texts)
    else:
        content = data.draw(mutated(documents[name]).map(as_json) | json_texts | values.map(as_json))
    survives("bundle", lambda: _replaced(bundle, name, content))


_TYPES = [
    pa.int8(), pa.int64(), pa.uint64(), pa.float32(), pa.float64(), pa.bool_(), pa.string(), pa.large_string(),
    pa.binary(), pa.date32(),
    pa.timestamp("s"), pa.timestamp("ns", "UTC"), pa.duration("ms"), pa.decimal128(38, 2), pa.list_(pa.int8()),
    pa.null(), pa.time64("us"),
]  # fmt: skip
_CELLS = [
    None,
    0,
    1,
    200,
    503,
    -1,
    2**53 + 1,
    2**63 - 1,
    2**64 - 1,
    0.5,
    float("nan"),
    float("inf"),
    True,
    "x",
    "200",
    "",
    "é" * 50,
    b"\xff",
    b"\xc3(",
    [],
]


def _column(cells: list[Any], kind: pa.DataType, *, coded: bool) -> Any:
    try:
        column = pa.array(cells, kind)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        column = pa.array([None] * len(cells), kind)
    if pa.types.is_binary(kind) and random.Random(len(cells)).random() < 0.5:
        column = pa.Array.from_buffers(pa.string(), len(cells), column.buffers(), column.null_count)  # broken UTF-8
    if coded:
        try:
            return column.dictionary_encode()
        except pa.ArrowException:
            return column
    return column


_ROWS = 4


@st.composite
def _tables(draw: st.DrawFn, names: tuple[str, ...]) -> Any:
    """Return a table with most of the columns, some of them of hostile types or with hostile values."""
    plain = {
        "time_s": [0.0, 1.0, 2.0, 3.0], "latency_s": [0.1] * 4, "status": [200] * 4, "endpoint": ["/"] * 4,
        "phase": ["steady"] * 4,
        "due_s": [0.0, 1.0, 2.0, 3.0], "late_s": [0.0] * 4, "size": [1] * 4, "operation": ["/"] * 4, "error": [""] * 4,
        "arm": ["baseline", "canary", "unknown", "canary"],
    }  # fmt: skip
    odd = set(draw(st.lists(st.sampled_from(names), min_size=1, max_size=2)))
    columns, titles = [], []
    for name in names:
        if name in odd:
            cells = draw(st.lists(st.sampled_from(_CELLS), min_size=_ROWS, max_size=_ROWS))
            columns.append(_column(cells, draw(st.sampled_from(_TYPES)), coded=draw(st.booleans())))
        else:
            columns.append(pa.array(plain[name]))
        titles.append(name)
    how = draw(st.integers(0, 9))
    if how == 0:
        del columns[0], titles[0]
    elif how == 1:
        titles[-1] = titles[0]
    return pa.Table.from_arrays(columns, names=titles)


def _parquet(name: str, table: Any) -> Path:
    path = FOLDER / name
    try:
        pq.write_table(table, path)
    except pa.ArrowException:  # pyarrow cannot write every table
        reject()
    return path


_REQUESTS = ("time_s", "latency_s", "status", "endpoint", "phase")
_SAMPLES = ("due_s", "latency_s", "late_s", "status", "arm", "operation", "error", "size")


@fuzzed
@given(_tables(_REQUESTS))
def test_requests_as_parquet(table: Any) -> None:
    """Files of requests as Parquet."""
    path = _parquet("requests.parquet", table)
    survives("requests as Parquet", lambda: read_requests(path))


@fuzzed
@given(_tables(_SAMPLES))
def test_samples_of_a_bundle(table: Any) -> None:
    """The samples of a bundle as Parquet; what is accepted can be written again."""
    path = _parquet("samples.parquet", table)
    survives("samples", lambda: write_samples(FOLDER / "again.parquet", read_samples(path)))


@fuzzed
@given(st.lists(st.tuples(st.integers(0, 2**20), st.binary(min_size=1, max_size=8)), max_size=3), st.integers(0, 2**20))
def test_damaged_parquet(patches: list[tuple[int, bytes]], cut: int) -> None:
    """Parquet files with changed bytes and truncated ones."""
    whole = _parquet("whole.parquet", pa.table({name: np.arange(20) for name in ("time_s", "latency_s", "status")}))
    raw = bytearray(whole.read_bytes())
    for position, patch in patches:
        start = position % len(raw)
        raw[start : start + len(patch)] = patch
    path = written("damaged.parquet", bytes(raw[: max(0, len(raw) - cut % 40)]))
    survives("damaged Parquet", lambda: read_requests(path))


_CSV = st.lists(
    st.sampled_from(
        ["time_s,latency_s,status\n", "time_s,latency_s,status,endpoint\n", "1,0.1,200\n", "2,0.1,200,/x\n", ",", "\n",
        '"', "1", "nan", "-1",
         "9" * 30, "9" * 5000, "1e999", "\0", "\xff", "\ud800", ";", "\t", "\r", "\ufeff", "200", "x", " ", "time_s",
         "2026-01-01", "true"]
    ),
    max_size=14,
).map("".join)  # fmt: skip


@fuzzed
@given(_CSV | st.text(max_size=20), st.sampled_from(["utf-8", "utf-16", "latin-1"]))
def test_requests_as_csv(text: str, encoding: str) -> None:
    """Files of requests as CSV."""
    raw = text.encode(encoding, "surrogatepass" if encoding.startswith("utf") else "replace")
    path = written("requests.csv", raw)
    survives("requests as CSV", lambda: read_requests(path))


_METRICS = st.lists(
    st.sampled_from(
        [REQUESTS, "x", "{", "}", 'response_code="200"', "reporter=", ",", '"', "\\", " ", "1", "NaN", "+Inf", "1e999",
        "9" * 400,
         "-1", "\n", "# HELP x\n", "abc", "0x1", "1_0", "\0", REQUESTS + '{response_code="200"} 5\n', "é", "\ud800"]
    ),
    max_size=16,
).map("".join)  # fmt: skip


@fuzzed
@given(_METRICS)
@example(REQUESTS + "{} NaN")
@example(REQUESTS + "{} +Inf")
@example(REQUESTS + "{} abc")
def test_metrics_of_a_proxy(text: str) -> None:
    """Envoy's metrics in Prometheus's text format."""
    survives("metrics of a proxy", lambda: request_counts(text))


@fuzzed
@given(mutated([JOURNAL]).map(as_json) | json_texts)
def test_journal_on_disk(text: str) -> None:
    """A local journal of changes, as harness restore --journal reads it."""
    content = f'{{"will_make": {text}, "namespace": "shop"}}\n{text}\n'
    path = written("journal.jsonl", content)
    survives("journal", lambda: left_on_disk(path))


@fuzzed
@given(values.map(as_json) | json_texts, st.sampled_from([400, 403, 404, 409, 410, 422, 429, 500, 503, 999]))
def test_errors_of_the_kubernetes_api(body: str, status: int) -> None:
    """Bodies of the API server's errors."""
    raw, kind = body.encode("utf-8", "surrogatepass"), kind_of("VirtualService")

    def read() -> None:
        raise refusal(status, raw, verb="get", kind=kind, namespace="shop", name="x")

    assert not survives("errors of the API server", read)


def test_every_hostile_value_is_used() -> None:
    """The lists of values are not empty by mistake."""
    assert len(NUMBERS) > 20
    assert len(TEXTS) > 80
