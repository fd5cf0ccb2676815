"""The interface of load generators."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from harness.model.load import LoadPlan, LoadReport
from harness.model.samples import Samples


class RunningLoad(Protocol):
    """A load that is being sent."""

    started_at: float
    """Time of the first due request in epoch seconds; set once the load has started."""

    def samples(self) -> Samples:
        """Return every sample recorded so far. Cheap enough to call every second."""
        ...

    def running(self) -> bool:
        """Return whether requests are still being sent or awaited. Raises LoadError if the load generator died."""
        ...

    def finish(self) -> LoadReport:
        """Wait for the last answers (at most the plan's drain time) and return the report."""
        ...


class Load(Protocol):
    """A load generator."""

    def start(self, plan: LoadPlan, folder: Path) -> AbstractContextManager[RunningLoad]:
        """Start sending and yield once the first request is due. On exit, end every process of the load generator.

        folder: for logs and recordings. Raises LoadProfileError if the profile cannot be imported, and LoadError if the
        load generator cannot start.
        """
        ...
