"""A fault of another package: found through its entry point, run, and judged again where that package is not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from gates import Gate

from harness import bundle

pytestmark = pytest.mark.alone
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
    """As a teapot, but nobody can count it."""

    kind = "silent"

    def declared(self, fault_id):
        return Declared(id=fault_id, kind="silent", host=self.host, text=self.words().text, scope=Scope())

    def hit(self, before, after):
        return Hit(state=HitState.UNMEASURED, why="nobody counts teapots")

    def words(self):
        return Words(text=f"silent({self.host})", effect="nobody knows")
'''
SCENARIOS = """
from harness.faults import Arguments, known_faults

def test_teapot(canary):
    fault = known_faults()["teapot"].parse(Arguments(host="ratings", value="red"))
    canary.run(faults=[fault])

def test_silent(canary):
    fault = known_faults()["silent"].parse(Arguments(host="ratings", value="red"))
    canary.run(faults=[fault])
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
    gate.scenario(SCENARIOS)
    here = str(Path(bundle.__file__).parents[1])
    monkeypatch.setattr(
        Gate,
        "environment",
        {**os.environ, "HARNESS_TEST_MARK": gate.mark, "PYTHONPATH": f"{here}:{tmp_path / 'wheel'}"},
    )
    gate.run()
    teapot, silent = sorted(gate.bundles(), key=lambda folder: "silent" in folder.name)
    record = bundle.read_bundle(teapot)
    assert {"teapot-0"} == {count.fault_id for count in record.fault_counts}
    assert {"teapot"} == {count.declared.kind for count in record.fault_counts if count.declared}
    doses = {proof.name: proof.held for proof in bundle.read_analysis(teapot).proofs if "teapot" in proof.name}
    assert {"dose of teapot(ratings), baseline": True, "dose of teapot(ratings), canary": True} == doses
    (hit,) = [proof for proof in bundle.read_analysis(silent).proofs if "silent" in proof.name]
    assert not hit.held
    assert "cannot be measured: nobody counts teapots" == hit.observed
    for folder in (teapot, silent):
        said = harness(gate, "judge", str(folder), "--json", path=here)
        assert (folder / "analysis.json").read_text() == said.stdout, said.stderr
    assert "teapot" not in harness(gate, "inject", "--help", path=here).stdout
    assert "teapot" in harness(gate, "inject", "--help", path=f"{here}:{tmp_path / 'wheel'}").stdout
