"""The parts of xdist that the hooks use. It may not be installed."""

from __future__ import annotations

from typing import Protocol

import pytest


class Gateway(Protocol):
    """The connection to a worker. id: its name, such as ``gw0``."""

    id: str


class Worker(Protocol):
    """A worker as its controller sees it. workerinput: what it gets at its start; it sends ``workeroutput`` back."""

    config: pytest.Config
    gateway: Gateway
    workerinput: dict[str, object]
