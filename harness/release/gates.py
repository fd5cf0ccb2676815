"""The gate of a step: ``harness run`` as a child process, against the arms of the release."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from harness import bundle
from harness.clients.processes.child import Process, start
from harness.config import Config
from harness.config.release_gate import VARIABLE, gate_document
from harness.errors import RecordError, ServiceError
from harness.model.release import ReleaseStep, StepResult
from harness.model.verdict import Analysis
from harness.release.machine import TROUBLE
from harness.release.ports import Pair
from harness.run_folder import all_runs

GATE_LOG = "gate.log"
"""What the session of a gate wrote, in the folder of the gate."""
_WORDS = {0: "pass", 1: "fail", 10: "marginal", 11: "inconclusive"}
_POLL_S, _GRACE_S = 0.2, 30.0


class ScenarioGate:
    """Runs scenarios with pytest. It ends with this process, and its faults are reverted then."""

    def __init__(
        self,
        config: Config,
        *,
        target: str,
        stage: Path | None,
        stable: Callable[[Pair], dict[str, str]],
        approve: str = "",
    ) -> None:
        """target: of the runs. stage: the socket of the stage, for that target. stable: pod labels of what runs.

        approve: the command that approves a marginal build, for the reports; empty if the release does not wait.
        """
        self._config, self._target, self._stage, self._stable = config, target, stage, stable
        self._approve = approve

    def check(self, pair: Pair, step: ReleaseStep, *, folder: Path, still: Callable[[], None]) -> StepResult:
        """Run the scenarios and return the worst verdict of all; the exit code of the session decides."""
        began = time.time()
        with bundle.recording(folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            document = gate_document(
                service=pair.service,
                stable=self._stable(pair),
                target=self._target,
                stage=self._stage,
                approve=self._approve,
                alone=pair.first,
            )
            bundle.write_atomically(folder / "gate.json", json.dumps(document).encode())
        process = self._started(step.scenarios, folder)
        try:
            while process.running():
                still()
                time.sleep(_POLL_S)
        finally:
            process.stop(grace_s=_GRACE_S)
        code = process.exit_code
        verdict = _WORDS.get(12 if code is None else code, TROUBLE)
        found = _analyses(folder)
        worst = next((one for _, one in found if one.verdict.value == verdict), None)
        return StepResult(
            step=0,
            attempt=0,
            service=pair.service,
            check="gate",
            weight=step.weight,
            verdict=verdict,
            exit_code=12 if code is None else code,
            reason=worst.reason if worst is not None else _told(process, code),
            score=min((one.score for _, one in found), default=None),
            began_s=began,
            ended_s=time.time(),
            bundles=tuple(str(path.relative_to(folder)) for path, _ in found),
        )

    def _started(self, scenarios: Sequence[str], folder: Path) -> Process:
        words = [sys.executable, "-P", "-m", "harness", "run", *scenarios, "--"]
        options = [f"--harness-config={self._config.file}", f"--harness-out={folder}", "-p", "no:cacheprovider"]
        return start(
            [*words, *options],
            name="gate",
            log=folder / GATE_LOG,
            env={**os.environ, VARIABLE: str(folder / "gate.json")},
            cwd=self._config.root,
        )


def _analyses(folder: Path) -> list[tuple[Path, Analysis]]:
    found = []
    for run in all_runs(folder):
        for path in run.bundles:
            try:
                found.append((path, bundle.read_analysis(path)))
            except RecordError:
                continue  # a scenario without a verdict; the exit code of the session counts it
    return found


def _told(process: Process, code: int | None) -> str:
    """Return the last line that the session wrote, for a result that no analysis explains."""
    lines = [line for line in process.tail(20).splitlines() if line.strip()]
    try:
        process.check()
    except ServiceError:
        return f"exit code {code}: {lines[-1] if lines else 'no output'}"
    return f"exit code {code}"
