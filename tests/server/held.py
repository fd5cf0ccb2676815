"""Write a release that is held to the disk."""

from __future__ import annotations

import time
from pathlib import Path

from harness.model.release import (
    Build,
    BuildKind,
    Phase,
    ReleasePlan,
    ReleaseRecord,
    ReleaseSettings,
    ReleaseState,
    ReleaseStep,
)
from harness.release.store import Store


def held_release(folder: Path, **state: object) -> Path:
    """Write a release that is held and that no process is driving; return its folder."""
    release = folder / "reports/releases/20261128-090000-abcd"
    release.mkdir(parents=True)
    settings = ReleaseSettings(steps=(ReleaseStep(weight=0.1, scenarios=("scenarios",)), ReleaseStep(weight=1.0)))
    build = Build(service="reviews", kind=BuildKind.IMAGE, name="shop/reviews:<b>v1</b>")
    plan = ReleasePlan(builds=(build,), target="cluster", namespace="shop", settings=settings)
    held = {"phase": Phase.HELD, "hold": 1, "expires_s": time.time() + 3600, "reason": "marginal: p99"} | state
    record = ReleaseRecord(id=release.name, plan=plan, state=ReleaseState(**held), started_s=1e9, seen_s=1e9)
    Store(release).save(record)
    return release
