"""Command lines that start Locust as a single process, as master or as worker.

Everybody on a machine can read command lines. So the URL, which may contain a password, is in the specification only,
and the bootstrap gives it to Locust.
"""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path

from harness.load.protocol.child_spec import SPEC_VARIABLE, UPLOAD_VARIABLE
from harness.model.load import LoadPlan

BOOTSTRAP = Path(__file__).parents[1] / "child" / "bootstrap.py"
WORKERS_WAIT_S = 120


def standalone_command(plan: LoadPlan, *, port: int | None = None) -> list[str]:
    """Return the command that runs Locust on this machine.

    port: with several processes, the loopback port that connects the forked workers to their master.
    """
    words = [*_common(plan), "--headless", "--only-summary", *_stop_timeout(plan)]
    if port is not None:
        words += ["--processes", str(plan.processes), "--expect-workers-max-wait", "60"]
        words += ["--master-bind-host", "127.0.0.1", "--master-bind-port", str(port)]
        words += ["--master-host", "127.0.0.1", "--master-port", str(port)]
    return words


def master_command(plan: LoadPlan, *, workers: int, bind: str, port: int) -> list[str]:
    """Return the command of a master that waits for ``workers`` workers and then runs the plan."""
    return [
        *_common(plan), "--headless", "--only-summary", *_stop_timeout(plan), "--master", "--expect-workers",
        str(workers), "--expect-workers-max-wait", str(WORKERS_WAIT_S), "--master-bind-host", bind,
        "--master-bind-port", str(port),
    ]  # fmt: skip


def worker_command(plan: LoadPlan, *, master: str, port: int) -> list[str]:
    """Return the command of a worker that connects to the master at the given host and port."""
    return [*_common(plan), "--worker", "--master-host", master, "--master-port", str(port)]


def child_environment(spec: Path, *, upload: bool = False) -> dict[str, str]:
    """Return the child's environment: ours and the path of the specification, without Locust's variables.

    Locust's variables in our environment could change the run.
    upload: workers send their samples over Locust's connection, because they share no folder with the master.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
    added = {SPEC_VARIABLE: str(spec), "PYTHONUNBUFFERED": "1", **({UPLOAD_VARIABLE: "1"} if upload else {})}
    return {**inherited, **added}


def _common(plan: LoadPlan) -> list[str]:
    files = f"{BOOTSTRAP},{plan.profile.absolute()}"
    return [sys.executable, "-m", "locust", "-f", files]


def _stop_timeout(plan: LoadPlan) -> list[str]:
    """Return Locust's stop timeout, in whole seconds. Without one, Locust would abort every request in flight."""
    return ["--stop-timeout", str(max(1, math.ceil(plan.drain_s))) if plan.users else "2"]
