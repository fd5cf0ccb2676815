"""Write whole commands into messages: with the namespace, the context and the kubeconfig of a connection.

A user can paste such a command into any shell, whatever its current context and default namespace are.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """The cluster that commands are for. context: None inside a pod. kubeconfig: None if kubectl finds it itself."""

    context: str | None
    kubeconfig: Path | None

    def harness(self, command: str, namespace: str) -> str:
        """Return ``harness COMMAND`` for a namespace."""
        return " ".join((f"harness {command}", *self._options(namespace)))

    def kubectl(self, command: str, namespace: str | None = None) -> str:
        """Return ``kubectl COMMAND`` for a namespace, or for an object that is in none."""
        return " ".join((f"kubectl {command}", *self._options(namespace)))

    def _options(self, namespace: str | None) -> list[str]:
        named = (("--namespace", namespace), ("--context", self.context), ("--kubeconfig", self._file()))
        return [f"{option} {shlex.quote(value)}" for option, value in named if value is not None]

    def _file(self) -> str | None:
        return None if self.kubeconfig is None else str(self.kubeconfig.absolute())
