"""Short runs of the load generator for tests."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.clients.processes.child import wait_until
from harness.load.parent.locust import LocustLoad
from harness.model.load import LoadPlan, LoadReport, Stage
from harness.model.samples import Samples


@dataclass(frozen=True)
class Target:
    """The service under load."""

    url: str

    def seen(self) -> dict[str, Any]:
        """Return the number of requests and the headers of each."""
        with urllib.request.urlopen(f"{self.url}/seen", timeout=5) as answer:
            return json.load(answer)

    def forget(self) -> None:
        """Reset the counters."""
        urllib.request.urlopen(f"{self.url}/forget", data=b"", timeout=5).close()


@dataclass(frozen=True)
class Outcome:
    """The results of a short run."""

    report: LoadReport
    samples: Samples
    folder: Path


READ = """
@task
def read(self):
    self.client.get("/reviews/1", name="/reviews")
"""


def plan(profile: Path, url: str, *, rate: float = 100, seconds: float = 1.5, **more: Any) -> LoadPlan:
    """Return the plan of a short, constant load."""
    stages = (Stage(duration_s=seconds, start_rps=rate, end_rps=rate),)
    return LoadPlan(**{"profile": profile, "url": url, "stages": stages, "drain_s": 20.0, **more})


def execute(load_plan: LoadPlan, folder: Path, load: LocustLoad | None = None) -> Outcome:
    """Execute the plan."""
    with (load or LocustLoad()).start(load_plan, folder) as run:
        assert wait_until(lambda: not run.running(), timeout_s=120)
        report = run.finish()
        return Outcome(report=report, samples=run.samples(), folder=folder / "load")


def run_command(words: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command, which must succeed; a failure shows its output."""
    ran = subprocess.run(words, check=False, capture_output=True, text=True, timeout=300, **options)
    assert ran.returncode == 0, f"exit code {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
    return ran
