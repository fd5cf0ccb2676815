"""What somebody sends with an issue: packed bundles, and bundles that a replay reads."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
import recorded
from fuzzing import FOLDER, as_json, fuzzed, mutated, survives
from hypothesis import given
from hypothesis import strategies as st

from harness.bundle import read_bundle, write_analysis, write_bundle
from harness.clients.zstd import compressed, decompressed
from harness.judge.sequential import SequentialJudge
from harness.replay.asked import read_asked
from harness.replay.packing import _exactly, _members, pack, unpack
from harness.runner.deciding import decide

ASKED = {
    "load": "browse", "arrivals": "poisson", "entry": "reviews", "stages": [1], "recover_each": False,
    "faults": [{"kind": "delay", "host": "ratings", "dose": 0.3, "caller": None, "inbound": False, "duration_s": 2.0}],
    "phases": {"warm-up": "1s", "steady": "3s..9s", "fault": "3s", "recovery": "2s"},
}  # fmt: skip


@pytest.fixture(scope="module")
def members() -> dict[str, bytes]:
    """The files in a packed bundle."""
    folder, file = FOLDER / "packed" / "run", FOLDER / "packed" / "run.tar.zst"
    write_bundle(recorded.record(), folder)
    write_analysis(decide(read_bundle(folder), SequentialJudge()), folder)
    pack(folder, file)
    found = {}
    with decompressed(file) as source:
        for header in _members(source, file):
            found[header.name] = _exactly(source, header.size, file)
            _exactly(source, -header.size % 512, file)
    return found


def unpacked(file: Path) -> None:
    """Unpack a file; a bundle that appears is removed again."""
    folder = FOLDER / "unpacked"
    try:
        unpack(file, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@fuzzed
@given(st.data())
def test_packed_members(members: dict[str, bytes], data: st.DataObject) -> None:
    """A file of the archive with other content, under another name or of another kind."""
    file, chosen = FOLDER / "changed.tar.zst", data.draw(st.sampled_from(sorted(members)))
    with compressed(file) as sink:
        for name, whole in members.items():
            content, header = whole, tarfile.TarInfo(name)
            if name == chosen and data.draw(st.booleans()) and name.endswith(".json"):
                content = as_json(data.draw(mutated(json.loads(content)))).encode("utf-8", "surrogatepass")
            elif name == chosen:
                content = data.draw(st.binary(max_size=80)) + content[data.draw(st.integers(0, len(content))) :]
                header.name = data.draw(
                    st.sampled_from([name, "../x", "/x", "a/b/c", "resources/x.yaml", "é", "x" * 99])
                )
                header.type = data.draw(st.sampled_from([tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.XHDTYPE, b"?"]))
            header.size = len(content)
            sink.write(header.tobuf(tarfile.USTAR_FORMAT) + content + b"\0" * (-len(content) % 512))
    survives("packed bundle", lambda: unpacked(file))


@fuzzed
@given(st.data())
def test_packed_bytes(members: dict[str, bytes], data: st.DataObject) -> None:
    """A packed file that is cut off, or in which some bytes are others."""
    whole = bytearray((FOLDER / "packed" / "run.tar.zst").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    file = FOLDER / "bytes.tar.zst"
    file.write_bytes(whole[: data.draw(st.integers(0, len(whole)))] if data.draw(st.booleans()) else whole)
    survives("packed bundle", lambda: unpacked(file))


@fuzzed
@given(st.data())
def test_what_a_replay_reads(members: dict[str, bytes], data: st.DataObject) -> None:
    """The part of the manifest that says what a run was asked to do."""
    folder = FOLDER / "packed" / "run"
    manifest: dict[str, Any] = {**json.loads(members["manifest.json"]), "scenario": data.draw(mutated(ASKED))}
    (folder / "manifest.json").write_bytes(as_json(manifest).encode("utf-8", "surrogatepass"))
    recorded.rehash(folder)
    survives("replay", lambda: read_asked(folder))
