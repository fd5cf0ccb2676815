"""The identity of a pod behind an arm."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmPod:
    """A pod that an arm's labels select.

    uid: identifies it, also among pods of one name. address: its IP address, or empty. template: its
    ``pod-template-hash``, which the pods of one ReplicaSet share; empty without one. images: those of its containers
    without the sidecar, by digest where the cluster tells it.
    """

    name: str
    uid: str
    address: str
    template: str
    images: tuple[str, ...]

    def __str__(self) -> str:
        """Return the name and, where it is known, the address."""
        return f"pod {self.name}" + (f" ({self.address})" if self.address else "")
