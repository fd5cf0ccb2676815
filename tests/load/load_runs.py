"""Short runs of the load generator, for its tests."""

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
        """How many requests came, and the headers of each."""
        with urllib.request.urlopen(f"{self.url}/seen", timeout=5) as answer:
            return json.load(answer)

    def forget(self) -> None:
        """Start counting again."""
        urllib.request.urlopen(f"{self.url}/forget", data=b"", timeout=5).close()


@dataclass(frozen=True)
class Outcome:
    """What a short run left behind."""

    report: LoadReport
    samples: Samples
    folder: Path


READ = """
@task
def read(self):
    self.client.get("/reviews/1", name="/reviews")
"""


def plan(profile: Path, url: str, *, rate: float = 100, seconds: float = 1.5, **more: Any) -> LoadPlan:
    """A short constant load."""
    stages = (Stage(duration_s=seconds, start_rps=rate, end_rps=rate),)
    return LoadPlan(**{"profile": profile, "url": url, "stages": stages, "drain_s": 20.0, **more})


def carry_out(load_plan: LoadPlan, folder: Path, load: LocustLoad | None = None) -> Outcome:
    """Run it to its end."""
    with (load or LocustLoad()).start(load_plan, folder) as run:
        assert wait_until(lambda: not run.running(), timeout_s=120)
        report = run.finish()
        return Outcome(report=report, samples=run.samples(), folder=folder / "load")


def ran_well(words: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; a failure shows what it wrote."""
    ran = subprocess.run(words, check=False, capture_output=True, text=True, timeout=300, **options)
    assert ran.returncode == 0, f"exit code {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
    return ran
