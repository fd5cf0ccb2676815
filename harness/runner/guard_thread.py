"""Checks the abort conditions on a thread of its own, so that they end a run whatever the main thread waits for.

Every condition is checked once a second. A condition that cannot be checked several times in a row ends the run, as
one that does not hold does. The main thread then has a few seconds to revert its own changes, so that what was measured
stays valid; after that this thread reverts every change.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from harness.errors import ClusterUnreachable, HarnessError, MetricsError
from harness.runner.ending import Ending, ending_for

EVERY_S, GRACE_S, MISSES = 1.0, 3.0, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class AbortCondition:
    """A condition that ends a run.

    ask: returns why the run must end, or an empty string; raises an error when that cannot be found out.
    """

    name: str
    ask: Callable[[], str]


class GuardThread:
    """Checks its conditions while its ``with`` block runs."""

    def __init__(
        self,
        conditions: Sequence[AbortCondition],
        *,
        undo: Callable[[], None],
        every_s: float = EVERY_S,
        grace_s: float = GRACE_S,
        misses: int = MISSES,
    ) -> None:
        """Prepare the thread.

        undo: reverts every live change, from any thread. every_s: seconds between two checks. grace_s: seconds that the
        main thread has for reverting the changes itself. misses: how many times in a row a check may fail to find out.
        """
        self._conditions, self._undo = tuple(conditions), undo
        self._every_s, self._grace_s, self._misses = every_s, grace_s, misses
        self._missed: Counter[str] = Counter()
        self._over, self._asking = threading.Event(), threading.Lock()
        self._ending: Ending | None = None
        self._thread = threading.Thread(target=self._watch, name="guards", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def ended(self) -> Ending | None:
        """Return why the run must end, or None. Raises the error that ended it, if that leaves no verdict."""
        if self._ending is not None and self._ending.error is not None:
            raise self._ending.error
        return self._ending

    def ask(self) -> Ending | None:
        """Check the conditions now, then do the same as ``ended``."""
        self._look()
        return self.ended()

    def _watch(self) -> None:
        while self._ending is None and not self._over.wait(self._every_s):
            self._look()
        if self._ending is not None and not self._over.wait(self._grace_s):
            self._undo()

    def _look(self) -> None:
        with self._asking:
            for condition in self._conditions:
                if self._ending is None:
                    self._ending = self._asked(condition)

    def _asked(self, condition: AbortCondition) -> Ending | None:
        try:
            text = condition.ask()
        except (ClusterUnreachable, MetricsError) as silence:
            self._missed[condition.name] += 1
            if self._missed[condition.name] < self._misses:
                return None
            text = f"{condition.name}: could not be checked {self._misses} times in a row: {silence}"
        except HarnessError as error:
            return ending_for(error)
        except Exception as broken:  # noqa: BLE001 - a condition with a bug must end the run, not go unnoticed
            text = f"{condition.name}: the check itself failed: {type(broken).__name__}: {broken}"
        else:
            self._missed[condition.name] = 0
        return Ending(kind="guard", text=text) if text else None
