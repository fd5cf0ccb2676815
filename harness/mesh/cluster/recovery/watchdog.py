"""A process next to each run on a cluster that reverts everything if the run dies before it has done so.

SIGKILL, ``os._exit`` (pytest-timeout's thread method ends a session with it) and a killed xdist worker leave no time
for an undo. The watchdog notices the end of its input, or another parent process, and reverts what the run journalled.
If the machine fails, the watchdog dies with it; the reaper in the cluster does not.

It runs as a script, with settings in its first line of input. Until it is needed it imports only the standard library.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from harness.clients.kubernetes.api import Kubernetes
    from harness.clients.processes.detached import DetachedProcess
    from harness.mesh.cluster.recovery.convergence import Convergence
    from harness.mesh.cluster.recovery.reaping import Reaped
    from harness.model.cluster import ClusterSettings

_LOOK_EVERY_S = 1.0


class _Proxy(TypedDict):
    name: str
    url: str
    labels: dict[str, str]


class _Order(TypedDict):
    """What the run sends in the first line."""

    namespace: str
    kubeconfig: str | None
    context: str | None
    istiod: str | None
    proxies: list[_Proxy]
    prove: bool
    live_within_s: float
    patience_s: float


class Watchdog:
    """The run's side of the watchdog."""

    def __init__(self, settings: ClusterSettings, namespace: str, *, context: str | None, folder: Path) -> None:
        """Start nothing yet.

        context: the name of the context in the kubeconfig, because the current context may change. folder: receives the
        watchdog's log, ``watchdog.log``.
        """
        self._settings, self._namespace, self._context, self._folder = settings, namespace, context, folder
        self._process: DetachedProcess | None = None

    def watch(self, owner: str) -> bool:
        """Revert everything of ``owner`` if this process dies from now on; return False if the watchdog has died."""
        from harness.clients.processes.detached import DetachedProcess  # noqa: PLC0415 - not in the script

        if self._process is None:
            self._process = DetachedProcess(Path(__file__), log=self._folder / "watchdog.log")
            self._process.send(json.dumps(_order(self._settings, self._namespace, self._context)))
        return self._process.send(owner)

    def end(self) -> None:
        """Tell the watchdog that every change has been reverted or reported, and stop it."""
        if self._process is not None:
            self._process.end()
            self._process = None


def main() -> None:
    """Wait for the end of the run; revert what it left, unless it said that it was done."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    parent, heard, ended = os.getppid(), b"", False
    while not ended and os.getppid() == parent:
        if select.select([0], [], [], _LOOK_EVERY_S)[0]:
            piece = os.read(0, 65536)
            heard, ended = heard + piece, not piece
        ended = ended or b"\ndone\n" in heard
    order, *owners = heard.decode().splitlines() or [""]
    if "done" not in owners and owners:
        _revert(json.loads(order), owners)


def _order(settings: ClusterSettings, namespace: str, context: str | None) -> _Order:
    return {
        "namespace": namespace,
        "kubeconfig": None if settings.kubeconfig is None else str(settings.kubeconfig.absolute()),
        "context": context,
        "istiod": settings.istiod,
        "proxies": [{"name": item.name, "url": item.url, "labels": dict(item.labels)} for item in settings.proxies],
        "prove": settings.prove,
        "live_within_s": settings.live_within_s,
        "patience_s": settings.patience_s,
    }


def _revert(order: _Order, owners: list[str]) -> None:
    from contextlib import closing  # noqa: PLC0415 - only needed when the run has died

    from harness.mesh.cluster.connection import connected  # noqa: PLC0415 - as above
    from harness.mesh.cluster.recovery.convergence import Convergence  # noqa: PLC0415 - as above
    from harness.model.cluster import ClusterSettings, Proxy  # noqa: PLC0415 - as above

    namespace, kubeconfig = order["namespace"], order["kubeconfig"]
    settings = ClusterSettings(
        kubeconfig=Path(kubeconfig) if kubeconfig else None,
        context=order["context"],
        istiod=order["istiod"],
        proxies=tuple(Proxy(**item) for item in order["proxies"]),
        prove=order["prove"],
        live_within_s=order["live_within_s"],
        patience_s=order["patience_s"],
    )
    with closing(connected(settings, None, tell=_say)) as kube:
        for owner in owners:
            settle = Convergence(kube, namespace, settings)
            for item in _reaped(kube, namespace, owner, settle, patience_s=settings.patience_s):
                _say(f"{item.change.owner}: {item.change.name}: {item.trouble or settle.said}")


def _reaped(
    kube: Kubernetes, namespace: str, owner: str, settle: Convergence, *, patience_s: float
) -> tuple[Reaped, ...]:
    """Revert what a run left; try again while the API server is in trouble."""
    from harness.errors import ClusterError  # noqa: PLC0415 - only needed when the run has died
    from harness.mesh.cluster.recovery.reaping import reap  # noqa: PLC0415 - as above

    give_up = time.monotonic() + patience_s
    while True:
        try:
            return reap(kube, namespace, patience_s=patience_s, tell=_say, living=True, owner=owner, settle=settle)
        except ClusterError as error:
            _say(f"{error}")
            if time.monotonic() > give_up:
                _say(f"given up; {kube.commands.harness(f'restore --run {owner}', namespace)}")
                return ()
            time.sleep(_LOOK_EVERY_S)


def _say(text: str) -> None:
    sys.stderr.write(f"harness watchdog: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
