"""A fault of another package: found through its entry point, run, and judged again where that package is not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from gates import Gate

from harness import bundle

FAULT = '''
"""Cut every second: a fault that this package adds to the harness."""

from dataclasses import dataclass

from harness.faults.counting import flagged
from harness.faults.port import Usage, Words, expressed
from harness.model.declared import Declared, Scope
from harness.model.hit import Hit, HitState
from harness.routing.port import RouteChange


@dataclass(frozen=True)
class Teapot:
    host: str
    kind = "teapot"
    usage = Usage(value="COLOUR", help="half of the requests are answered with 418")

    def __str__(self):
        return self.words().text

    @classmethod
    def parse(cls, arguments):
        return cls(arguments.host)

    def declared(self, fault_id):
        return Declared(id=fault_id, kind="teapot", host=self.host, text=self.words().text, dose=0.5, flag="FI", scope=Scope())

    def steps(self, world, aim):
        change = RouteChange(abort_status=418, share=0.5)
        return expressed(world.routing.change(world.resources(), change, aim))

    def hit(self, before, after):
        return flagged(before, after, "FI")

    def words(self):
        return Words(text=f"teapot({self.host})", effect=f"half of the requests to {self.host} are answered with 418")


class Silent(Teapot):
    """A delay that nobody can count."""

    kind = "silent"

    def steps(self, world, aim):
        return expressed(world.routing.change(world.resources(), RouteChange(delay_s=0.01, share=0.5), aim))

    def declared(self, fault_id):
        return Declared(id=fault_id, kind="silent", host=self.host, text=self.words().text, scope=Scope())

    def hit(self, before, after):
        return Hit(state=HitState.UNMEASURED, why="nobody counts teapots")

    def words(self):
        return Words(text=f"silent({self.host})", effect="nobody knows")
'''
SCENARIO = """
from harness.faults import Arguments, known_faults

def test_both(canary):
    faults = [known_faults()[name].parse(Arguments(host="ratings", value="red")) for name in ("teapot", "silent")]
    canary.run(faults=faults)
"""


def install(folder: Path) -> None:
    """The second wheel, as pip would leave it."""
    folder.mkdir()
    (folder / "teapots.py").write_text(FAULT)
    facts = folder / "teapots-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: teapots\nVersion: 1.0\n")
    points = "[canary_harness.faults]\nteapot = teapots:Teapot\nsilent = teapots:Silent\n"
    (facts / "entry_points.txt").write_text(points)


def harness(gate: Gate, *words: str, path: str) -> subprocess.CompletedProcess[str]:
    """Run a command with these folders on Python's path."""
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, "-m", "harness", *words],
        cwd=gate.folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_fault_of_another_package_runs_and_is_judged_again_without_it(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its hits are counted by its own code, once; the bundle holds what they were and what it declared."""
    install(tmp_path / "wheel")
    gate.configure(phases={"warm-up": "500ms", "steady": "1s", "fault": "3s", "recovery": "500ms"})
    gate.scenario(SCENARIO)
    here = str(Path(bundle.__file__).parents[1])
    monkeypatch.setattr(
        Gate,
        "environment",
        {**os.environ, "HARNESS_TEST_MARK": gate.mark, "PYTHONPATH": f"{here}:{tmp_path / 'wheel'}"},
    )
    gate.run()
    (folder,) = gate.bundles()
    counts = bundle.read_bundle(folder).fault_counts
    kinds = {one.fault_id: one.declared.kind for one in counts if one.declared}
    assert {"teapot-0": "teapot", "silent-1": "silent"} == kinds
    proofs = {proof.name: proof for proof in bundle.read_analysis(folder).proofs if proof.name.startswith("dose")}
    assert [True, True] == [proofs[f"dose of teapot(ratings), {arm}"].held for arm in ("baseline", "canary")]
    (hit,) = [proof for proof in bundle.read_analysis(folder).proofs if "silent" in proof.name and not proof.held]
    assert "cannot be measured: nobody counts teapots" == hit.observed
    said = harness(gate, "judge", str(folder), "--json", path=here)
    assert (folder / "analysis.json").read_text() == said.stdout, said.stderr
    assert "teapot" not in harness(gate, "inject", "--help", path=here).stdout
    assert "teapot" in harness(gate, "inject", "--help", path=f"{here}:{tmp_path / 'wheel'}").stdout
