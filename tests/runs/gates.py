"""Whole runs of pytest on the demo application, in processes of their own, with short phases."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import yaml

from harness.bundle import read_bundle

ROOT = Path(__file__).parents[2]
PHASES = {"warm-up": "1s", "steady": "4s", "fault": "4s", "recovery": "2s"}
BUSY = {"load on time", "load generator's CPU", "watched"}
"""Proofs that do not hold where other programs keep the machine busy."""
WIDE = ["error_rate < +10pp", "latency_p50 < +200%"]
"""Tolerances that a busy machine does not break."""


@dataclass
class Gate:
    """A folder with a configuration and scenarios, and the way to run them."""

    folder: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def configure(self, *, rate=100, **changed):
        """Write harness.yaml: the demo's, with short phases, wide tolerances and ``rate``, and ``changed`` on top."""
        settings = yaml.safe_load((ROOT / "harness.yaml").read_text())
        settings |= {"istio": [str(ROOT / "harness/demo/project/istio/*.yaml")], "phases": PHASES, "objectives": WIDE}
        settings["load"] |= {"folders": [str(ROOT / "loadprofiles")], "rate": rate}
        (self.folder / "harness.yaml").write_text(yaml.safe_dump(settings | changed))

    def canary(self, kind):
        """Make the canary a build of this kind."""
        settings = yaml.safe_load((self.folder / "harness.yaml").read_text())
        settings["services"]["reviews"]["versions"]["v3"] = {"env": {"REVIEWS_KIND": kind}}
        (self.folder / "harness.yaml").write_text(yaml.safe_dump(settings))

    def scenario(self, body):
        """Write the one scenario file."""
        (self.folder / "test_scenario.py").write_text("import pytest\nfrom harness import abort, delay\n\n" + body)

    @property
    def environment(self):
        """Ours, with a mark that every descendant inherits."""
        return {**os.environ, "HARNESS_TEST_MARK": self.mark, "PYTHONPATH": str(ROOT)}

    def start(self, *args):
        """Start pytest in the folder."""
        command = [sys.executable, "-m", "pytest", "-p", "no:locust", "-p", "no:cacheprovider", *args]
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip

    def run(self, *args, timeout=120):
        """Run pytest to its end; what it wrote and its exit code."""
        process = self.start(*args)
        try:
            said, _ = process.communicate(timeout=timeout)
        finally:
            process.kill()
        return said, process.returncode

    def run_on_time(self, *args, tries=3):
        """As ``run``, and again without the first bundles where only a busy machine kept the run from a verdict."""
        for _ in range(tries):
            shutil.rmtree(self.folder / "reports", ignore_errors=True)
            said, code = self.run(*args)
            if not self.was_busy():
                break
        return said, code

    def analyses(self):
        """Return the analyses of finished runs, oldest first."""
        return [json.loads((folder / "analysis.json").read_text()) for folder in self.bundles()]

    def was_busy(self):
        """Whether a run is inconclusive for no other reason than a busy machine."""
        analyses = self.analyses()
        failed = [{proof["name"] for proof in one["proofs"] if not proof["held"]} for one in analyses]
        return any(failed) and all(names <= BUSY for names in failed)

    def bundles(self):
        """Folders of finished runs, oldest first."""
        return sorted(
            (path.parent for path in self.folder.glob("reports/*/*/manifest.json")), key=lambda p: p.stat().st_mtime
        )

    def left_behind(self, *, within_s=15.0):
        """Command lines of our descendants that still run after ``within_s`` seconds."""
        deadline = time.monotonic() + within_s
        while (found := list(self._descendants())) and time.monotonic() < deadline:
            time.sleep(0.1)
        return found

    def _descendants(self):
        for process in psutil.process_iter():
            try:
                if process.environ().get("HARNESS_TEST_MARK") == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    yield " ".join(process.cmdline())
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue


def hops_measured(folder):
    """Check that a bundle has both arms' calls to ratings in the steady and the fault phase, with histograms."""
    hops = read_bundle(folder).hops
    called = {(hop.phase, hop.arm) for hop in hops if hop.destination.startswith("ratings") and hop.latency_ms}
    assert {("steady", "baseline"), ("steady", "canary"), ("fault", "baseline"), ("fault", "canary")} <= called
