"""Connect to the API server that the settings name, and keep an audit log of every change."""

from __future__ import annotations

import getpass
import json
import os
import socket
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from harness.clients.kubernetes.api import Kubernetes, connect, ignore
from harness.clients.kubernetes.audit import Audit
from harness.model.cluster import ClusterSettings


def connected(settings: ClusterSettings, folder: Path | None, *, tell: Callable[[str], None] = ignore) -> Kubernetes:
    """Return the API server of the settings.

    Every change is written to ``audit.jsonl`` in ``folder``, and passed to ``tell`` as one line.
    """
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)

    def record(audit: Audit) -> None:
        if folder is not None:
            with (folder / "audit.jsonl").open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(asdict(audit)) + "\n")
        if not audit.dry_run:
            versions = f"{audit.before or '-'} -> {audit.after or '-'}"
            tell(f"{audit.verb} {audit.kind} {audit.namespace}/{audit.name}: {audit.status}, version {versions}")

    return connect(kubeconfig=settings.kubeconfig, context=settings.context, record=record)


def made_by() -> str:
    """Return the user and the host that run this process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()} pid {os.getpid()}"
