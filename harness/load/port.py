"""What every load generator offers to the runner."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from harness.model.load import LoadPlan, LoadReport
from harness.model.samples import Samples


class RunningLoad(Protocol):
    """Load that is being sent."""

    started_at: float
    """Epoch seconds of the first due request; known as soon as the load has started."""

    def samples(self) -> Samples:
        """Every sample recorded so far; cheap enough to call once a second."""
        ...

    def running(self) -> bool:
        """Whether requests are still being sent or awaited. Raises LoadError when the generator died."""
        ...

    def finish(self) -> LoadReport:
        """Wait for the last answers (at most the plan's drain time) and say how it went."""
        ...


class Load(Protocol):
    """A load generator."""

    def start(self, plan: LoadPlan, folder: Path) -> AbstractContextManager[RunningLoad]:
        """Start sending and return when the first request is due; leaving ends every process of it.

        ``folder`` takes logs and recordings. Raises LoadProfileError for a profile that does not
        import and LoadError when the generator cannot start.
        """
        ...
