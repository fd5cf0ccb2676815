"""Ways to split and to share: load by header, loads by hand, workers of xdist and two runs at the same time.

Other tests may run at the same time. They may make a run inconclusive, but for no other reason than a busy machine.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from gates import BUSY, Gate

from harness import bundle

DECLARED = "def test_steady(canary):\n    canary.run()\n"
BY_HAND = """
from harness import abort

def test_by_hand(canary, chaos, load):
    load.run("browse", "4s", warm_up="1s")
    with chaos.inject(abort("ratings", 503, percent=30)):
        load.run("browse", "4s", warm_up="1s")
    canary.compare("error_rate < +10pp", "latency_p50 < +200%").require_pass()
"""


@dataclass
class Both:
    """Two runs that took place at the same time in one folder. codes, said, folders: of the declared one first."""

    gate: Gate
    codes: list[int]
    said: list[str]
    folders: list[Path]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    """A declared run whose load chooses its arm, and one by hand, which share a folder and its reports."""
    gate = Gate(tmp_path_factory.mktemp("both"))
    gate.configure(split={"by": "header", "share": "25%"})
    (gate.folder / "harness.yaml").rename(gate.folder / "header.yaml")
    gate.configure()
    (gate.folder / "test_declared.py").write_text(DECLARED)
    (gate.folder / "test_hand.py").write_text(BY_HAND)
    processes = [gate.start("test_declared.py", "--harness-config=header.yaml"), gate.start("test_hand.py")]
    try:
        said = [process.communicate(timeout=240)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    folders = [next(gate.folder.glob(f"reports/*/*{name}*/manifest.json")).parent for name in ("declared", "hand")]
    return Both(gate, [process.returncode for process in processes], said, folders)


def test_load_may_choose_its_arm(both: Both) -> None:
    """Split by header: every request says which arm it is for, and every proof of the split holds."""
    held = {proof.name: proof.held for proof in bundle.read_analysis(both.folders[0]).proofs}
    assert (True, True, True) == (held["split"], held["arms known"], held["counted alike"]), both.said[0]


def test_free_hand_faults_and_loads_are_judged_together(both: Both) -> None:
    """``chaos``, ``load`` and ``canary.compare`` give the same kind of record as a declared run."""
    record = bundle.read_bundle(both.folders[1])
    assert ["steady", "abort(ratings, 503, 30 %)"] == [phase.name for phase in record.phases if phase.kind.judged]


def test_two_runs_at_once_do_not_disturb_each_other(both: Both) -> None:
    """Own ports, own proxies, own folders: both are decided, and no proof fails but for how busy the other run keeps us."""
    assert 2 == len({folder.parent for folder in both.folders})
    for folder, code, said in zip(both.folders, both.codes, both.said, strict=True):
        failed = {proof.name for proof in bundle.read_analysis(folder).proofs if not proof.held}
        assert (0 == code and not failed) or (failed and failed <= BUSY), said
    assert [] == both.gate.left_behind()


def test_xdist_workers_take_turns_with_a_mesh_each(gate: Gate) -> None:
    """Two scenarios on two workers: both decided, one after the other, in one run folder."""
    gate.scenario("""
@pytest.mark.parametrize("number", [1, 2])
def test_steady(canary, number):
    canary.run(steady="2s").require_pass()
""")
    said, code = gate.run_on_time("-n2")
    assert 0 == code or gate.was_busy(), said
    first, second = (json.loads((folder / "manifest.json").read_text()) for folder in gate.bundles())
    assert first["run"] != second["run"]
    assert 1 == len({folder.parent for folder in gate.bundles()})
    started_at = sorted(bundle.read_bundle(folder).load.started_at for folder in gate.bundles())
    assert started_at[1] - started_at[0] > 3  # the warm-up and the steady phase of the first one
