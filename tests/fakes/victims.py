"""Runs to be killed: a process that forks, for each line it reads, a child that changes the cluster and puts it back.

Forking from a process that has everything imported makes a victim cost milliseconds, so that a kill at every
single request is affordable.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import traceback
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from faulting import fault_edits
from shop import QUICK

from harness.clients.kubernetes.api import ignore
from harness.faults import Arguments, abort, known_faults
from harness.mesh.cluster.connection import connected
from harness.mesh.cluster.factory import opened
from harness.mesh.cluster.mesh import ClusterMesh
from harness.mesh.cluster.recovery.reaping import reap
from harness.model.step import Step
from harness.routing.istio.routing import split_edits
from harness.routing.port import Aim, Split


class Victims:
    """The forking process. As a context manager it is ended on leaving."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(
        self,
        kubeconfig: Path,
        folder: Path,
        *,
        heartbeat_s: float = 3600,
        restores: bool = False,
        watchdog: bool = False,
        disrupts: str = "",
    ) -> int:
        """One run; its exit code, negative for the signal that ended it.

        disrupts: the kind and the value of the fault of ratings, such as ``scale 1``, instead of errors.
        """
        order = {
            "kubeconfig": str(kubeconfig),
            "folder": str(folder),
            "heartbeat_s": heartbeat_s,
            "restores": restores,
            "watchdog": watchdog,
            "disrupts": disrupts,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


def carry_out(order: dict[str, Any]) -> None:
    """A split, a fault inside it, a look, and everything back; or a restorer."""
    settings = replace(
        QUICK,
        kubeconfig=Path(order["kubeconfig"]),
        heartbeat_s=order["heartbeat_s"],
        watchdog=order["watchdog"],
        patience_s=30 if order["watchdog"] else QUICK.patience_s,
        limits=replace(QUICK.limits, every_caller=bool(order["disrupts"])),
    )
    if order["restores"]:
        with closing(connected(settings, None)) as kube:
            reap(kube, "shop", patience_s=5, living=True, settle=ignore)
        return
    with opened(settings, "shop", folder=Path(order["folder"]), tell=lambda text: None) as mesh:
        arms: dict[str, Any] = {"baseline": {"version": "v1"}, "canary": {"version": "v3"}}
        split = split_edits(
            mesh.resources(), Split(host="reviews", namespace="shop", canary_share=0.5, owner="victim", **arms)
        )
        with mesh.changed(split, name="split"), mesh.changed(_fault(order["disrupts"], mesh), name="fault"):
            mesh.check()


def _fault(disrupts: str, mesh: ClusterMesh) -> tuple[Step, ...]:
    if not disrupts:
        return fault_edits(
            abort("ratings", 503),
            mesh.resources(),
            namespace="shop",
            caller_labels={"app": "reviews"},
            owner="victim",
            index=0,
        )
    kind, _, value = disrupts.partition(" ")
    fault = known_faults()[kind].parse(Arguments(host="ratings", value=value))
    return fault.steps(mesh, Aim(declared=fault.declared("x-0"), namespace="shop", owner="victim", index=0))


def main() -> None:
    """Fork a victim for each order on standard input; write how it ended."""
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            os._exit(_lived(order))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _lived(order: dict[str, Any]) -> int:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    (Path(order["folder"]) / "pid").write_text(str(os.getpid()))
    try:
        carry_out(order)
    except KeyboardInterrupt:
        return 130
    except Exception:  # noqa: BLE001 - whatever it is, the test sees the exit code
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    main()
