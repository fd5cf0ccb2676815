"""GuardThread on a thread of their own: they end a run whatever the main thread waits for, and they fail closed.

Once a second every condition is asked. One that cannot be asked several times in a row ends the run as one that
does not hold. The main thread is given a few seconds to leave through its own undo, so that what was
measured stays valid; then the guards undo every change themselves.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from harness.errors import ClusterUnreachable, HarnessError, MeshDrift, MeshGuard, MetricsError

EVERY_S, GRACE_S, MISSES = 1.0, 3.0, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class AbortCondition:
    """Something that must hold during a run. ask: says why the run must end, or nothing; raises when that is unknown."""

    name: str
    ask: Callable[[], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Why a run must end. kind: ``guard``, or ``drift``. error: trouble, which leaves no verdict."""

    kind: str
    text: str
    error: HarnessError | None = None


class GuardThread:
    """Asks its conditions inside a ``with`` block."""

    def __init__(
        self,
        conditions: Sequence[AbortCondition],
        *,
        undo: Callable[[], None],
        every_s: float = EVERY_S,
        grace_s: float = GRACE_S,
        misses: int = MISSES,
    ) -> None:
        """undo: undoes every live change, from any thread. grace_s: seconds between the end and that.

        misses: so many times in a row may a condition not be asked.
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
        """Why the run must end, if it must. Raises the trouble that ended it."""
        if self._ending is not None and self._ending.error is not None:
            raise self._ending.error
        return self._ending

    def ask(self) -> Ending | None:
        """Ask now, and then as ``ended``."""
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
        text, error = "", None
        try:
            text = condition.ask()
        except MeshDrift as drift:
            return Ending(kind="drift", text=str(drift))
        except (ClusterUnreachable, MetricsError) as silence:
            self._missed[condition.name] += 1
            if self._missed[condition.name] < self._misses:
                return None
            text = f"{condition.name}: not known {self._misses} times in a row: {silence}"
        except MeshGuard as limit:
            text = str(limit)
        except HarnessError as trouble:
            text, error = str(trouble), trouble
        except Exception as broken:  # noqa: BLE001 - a guard that breaks must end the run, not go unnoticed
            text = f"{condition.name}: the guard itself broke: {type(broken).__name__}: {broken}"
        else:
            self._missed[condition.name] = 0
        return Ending(kind="guard", text=text, error=error) if text else None
