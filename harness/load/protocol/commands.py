"""The command lines of Locust, alone, as master and as worker."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path

from harness.load.protocol.child_spec import ORDER_VARIABLE, SHIP_VARIABLE
from harness.model.load import LoadPlan

BOOTSTRAP = Path(__file__).parents[1] / "child" / "bootstrap.py"
WORKERS_WAIT_S = 120


def alone_command(plan: LoadPlan, *, port: int | None = None) -> list[str]:
    """Locust on this machine; ``port``, on loopback, joins its forks when there are several."""
    words = [*_common(plan), "--headless", "--only-summary", *_stopping(plan)]
    if port is not None:
        words += ["--processes", str(plan.processes), "--expect-workers-max-wait", "60"]
        words += ["--master-bind-host", "127.0.0.1", "--master-bind-port", str(port)]
        words += ["--master-host", "127.0.0.1", "--master-port", str(port)]
    return words


def master_command(plan: LoadPlan, *, workers: int, bind: str, port: int) -> list[str]:
    """A master that waits for so many workers, then runs the plan."""
    return [
        *_common(plan), "--headless", "--only-summary", *_stopping(plan), "--master", "--expect-workers", str(workers),
        "--expect-workers-max-wait", str(WORKERS_WAIT_S), "--master-bind-host", bind, "--master-bind-port", str(port),
    ]  # fmt: skip


def worker_command(plan: LoadPlan, *, master: str, port: int) -> list[str]:
    """A worker of the master at that address."""
    return [*_common(plan), "--worker", "--master-host", master, "--master-port", str(port)]


def child_environment(order: Path, *, ship: bool = False) -> dict[str, str]:
    """Our environment without Locust's own variables, which could change the run, and with the order.

    ship: samples travel over Locust's link, because master and workers share no folder.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
    more = {ORDER_VARIABLE: str(order), "PYTHONUNBUFFERED": "1", **({SHIP_VARIABLE: "1"} if ship else {})}
    return {**inherited, **more}


def _common(plan: LoadPlan) -> list[str]:
    files = f"{BOOTSTRAP},{plan.profile.absolute()}"
    return [sys.executable, "-m", "locust", "-f", files, "--host", plan.url.rstrip("/")]


def _stopping(plan: LoadPlan) -> list[str]:
    """Locust takes whole seconds only; with none it would cut off every request in flight."""
    return ["--stop-timeout", str(max(1, math.ceil(plan.drain_s))) if plan.users else "2"]
