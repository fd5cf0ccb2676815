"""What the contract of the Kubernetes API is held against."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from fake_kubernetes import FakeKubernetes

from harness.clients.kubernetes.api import Kubernetes
from harness.clients.kubernetes.audit import Audit

REAL = os.environ.get("HARNESS_TEST_KUBECONFIG", "")
SERVERS = ("fake", "real") if REAL else ("fake",)
"""The API servers that tests run against."""


@dataclass
class Subject:
    """A client, what it audited, a namespace of its own, and the fake behind it, if it is one."""

    kube: Kubernetes
    namespace: str
    audits: list[Audit] = field(default_factory=list)
    fake: FakeKubernetes | None = None
