"""Kill releases on this machine by SIGKILL in each of their phases, while users send requests.

    python benchmarks/soak_release.py --kills 40     # about a quarter of an hour
    python benchmarks/soak_release.py --kills 8

One stage runs all the while. Each release dies at one line of its journal, and a little later or not; the lines are
spread over all phases, gates with a live fault included. It is then resumed or aborted. After each one the stage must be
as a release leaves it: no arms, the routes as before, and the stable build that its outcome says. At the end no user may
have missed an answer. The exit code is 1 if anything was left, or if a user was hurt.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from harness.cli.demo_release import USERS_RPS, project, staged, users
from harness.clients.processes.signals import signals_as_interrupts
from harness.demo.kinds import Kind
from harness.mesh.stage.client import Stage
from harness.model.release import Decision, DecisionKind, Outcome, ReleaseRecord
from harness.release.store import Store, all_releases

STEPS = """
release:
  steps:
    - {{weight: 10%, {scenarios}observe: 300ms}}
    - {{weight: 50%, observe: 300ms}}
    - {{weight: 100%, observe: 300ms}}
  hold: 60s
"""
GATE = 'scenarios: ["scenarios/test_short.py"], '
GATES_EVERY = 4
"""One of so many releases has a gate, whose hold is approved at once; it takes longer than all other phases."""
SCENARIO = '''from harness import abort, delay


def test_short(canary):
    """Too short to decide anything: the faults are what matters."""
    faults = [delay("ratings", "2s", percent=30), abort("ratings", 503, percent=30)]
    canary.run(load="browse", rate=20, faults=faults, warm_up="200ms", steady="1s", fault="2s", recovery="500ms")
'''
LINES = 28
"""About how many lines the journal of a release without a gate has."""
GATE_LINES = (9, 10, 11, 12, 13)
"""The lines of a release with a gate that the others do not have."""
END_S = 240.0


@dataclass
class Soak:
    """A project with a stage, and what went wrong so far."""

    folder: Path
    stage: Stage
    random: random.Random
    wrong: list[str] = field(default_factory=list)
    killed: dict[str, int] = field(default_factory=dict)

    def kill_one(self, number: int, kills: int) -> None:
        """Start a release, kill it, end it in one of both ways, and look at what is left."""
        routes, before = self.stage.ask("resources", kind="")["resources"], self._stable()
        version = "v2" if before == "v3" else "v3"
        gated = number % GATES_EVERY == GATES_EVERY - 1
        at = GATE_LINES[number // GATES_EVERY % len(GATE_LINES)] if gated else 1 + number * (LINES - 1) // kills
        config = self.folder / "harness.yaml"
        text = config.read_text().partition("\nrelease:")[0]
        config.write_text(text + STEPS.format(scenarios=GATE if gated else ""))
        phase = self._killed(version, at)
        ends = "resume" if number % 2 else "abort"
        record = self._ended(ends)
        self.killed[phase] = self.killed.get(phase, 0) + 1
        wanted = version if record.state.outcome is Outcome.PROMOTED else before
        left = []
        if not record.state.over:
            left.append(f"it is in the phase {record.state.phase.value}")
        if self._stable() != wanted:
            left.append(f"the stable build is {self._stable()} instead of {wanted}")
        if self.stage.ask("state", service="reviews")["arms"]:
            left.append("there are arms")
        if self.stage.ask("resources", kind="")["resources"] != routes:
            left.append("the routes differ")
        outcome = record.state.outcome.value if record.state.outcome else "?"
        print(f"killed at line {at} in {phase}, {ends}: {outcome}, left: {'; '.join(left) or 'nothing'}", flush=True)
        self.wrong += [f"kill {number} in {phase}: {one}" for one in left]

    def _killed(self, version: str, at: int) -> str:
        """Start a release and kill it at a line of its journal; return the phase that it was in."""
        process = subprocess.Popen(self._words("--version", version, "--no-wait"), cwd=self.folder, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # fmt: skip
        known = len(all_releases(self.folder / "reports")) + 1
        give_up = time.monotonic() + END_S
        lines: list[str] = []
        while len(lines) < at and process.poll() is None and time.monotonic() < give_up:
            found = all_releases(self.folder / "reports")
            if len(found) == known:
                folder = found[-1][0]
                if not (folder / "decision-0.json").exists():
                    Store(folder).decide(0, Decision(kind=DecisionKind.APPROVE, by="soak", reason="t", at_s=0.0))
                lines = (
                    (folder / "journal.jsonl").read_text().splitlines() if (folder / "journal.jsonl").is_file() else []
                )
            time.sleep(0.005)
        last = json.loads(lines[-1])["phase"] if lines else "start"
        # In a gate the fault comes later; other phases are short.
        time.sleep(self.random.uniform(0, 6.0 if last == "gate" else 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
        return str(last)

    def _ended(self, ends: str) -> ReleaseRecord:
        words = self._words("resume") if ends == "resume" else self._words("abort", "--by", "soak", "--reason", "test")
        _, record = all_releases(self.folder / "reports")[-1]
        for _ in range(2):
            if record.state.over:
                return record
            done = subprocess.run(words, cwd=self.folder, capture_output=True, text=True, timeout=END_S, check=False)
            _, record = all_releases(self.folder / "reports")[-1]
            if not record.state.over:  # an abort is refused once the stable build is the new one
                print(done.stderr[-500:], flush=True)
                words = self._words("resume")
        return record

    def _words(self, *words: str) -> list[str]:
        return [sys.executable, "-P", "-m", "harness", "release", *words]

    def _stable(self) -> str:
        program = self.stage.ask("state", service="reviews")["program"]
        assert isinstance(program, dict)
        return str(program["build"])


def soak(kills: int, folder: Path, *, seed: int, requests: int = 0) -> tuple[Soak, dict[str, int]]:
    """Kill so many releases, and return what was found, with the counts of the users, who send at least ``requests``."""
    config = project(Kind.GOOD, folder / "shop")
    (config.root / "scenarios" / "test_short.py").write_text(SCENARIO)
    with staged(config) as stage, users(stage, folder):
        subject = Soak(config.root, stage, random.Random(seed))
        began = time.monotonic()
        for number in range(kills):
            subject.kill_one(number, kills)
        time.sleep(max(0.0, began + requests / USERS_RPS + 1.0 - time.monotonic()))
    return subject, json.loads((folder / "users.json").read_text())


def main() -> int:
    """Kill releases and print what was left."""
    parser = argparse.ArgumentParser(description="Kill releases in each of their phases while users send requests.")
    parser.add_argument("--kills", type=int, default=40, help="how many releases to kill (default: 40)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the times after a line (default: 1)")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="harness-soak-"))
    with signals_as_interrupts():
        try:
            subject, counts = soak(args.kills, folder, seed=args.seed)
        finally:
            print(f"folder: {folder}", flush=True)
    print(f"killed in: {', '.join(f'{phase} {count}' for phase, count in sorted(subject.killed.items()))}")
    print(f"users: {counts}")
    print(f"{args.kills} releases were killed; left behind: {len(subject.wrong)}; users hurt: {counts['failed']}")
    for line in (*subject.wrong, *([str(counts["first"])] if counts["failed"] else [])):
        print(f"WRONG: {line}")
    if not subject.wrong and not counts["failed"]:
        shutil.rmtree(folder)
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
