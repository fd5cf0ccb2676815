"""Try again while the API server is in trouble, has a conflict with other clients, or is starting."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from harness.errors import ClusterConflict, ClusterForbidden, ClusterUnreachable

_FIRST_WAIT_S, _LONGEST_WAIT_S, _STARTING_S = 0.05, 2.0, 60.0
_WORTH_ANOTHER_TRY = (ClusterConflict, ClusterForbidden, ClusterUnreachable)
T = TypeVar("T")


def retry(
    work: Callable[[], T],
    *,
    patience_s: float,
    tell: Callable[[str], object],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    also: tuple[type[Exception], ...] = (),
) -> T:
    """Call ``work`` and return its result. Call it again after a conflict or trouble, for ``patience_s`` seconds.

    A missing right counts as trouble for up to a minute: an API server that has just started refuses everybody
    until it has read its Roles. tell: gets a line about each new failure before the next try, and how often it came
    again. also: further errors that are worth another try. Raises the last error.
    """
    started = clock()

    def left_s(state: RetryCallState) -> float:
        forbidden = isinstance(_error(state), ClusterForbidden)
        return started + (min(patience_s, _STARTING_S) if forbidden else patience_s) - clock()

    told = _Told(tell)
    tries = Retrying(
        retry=retry_if_exception_type((*_WORTH_ANOTHER_TRY, *also)),
        wait=wait_random_exponential(multiplier=_FIRST_WAIT_S, max=_LONGEST_WAIT_S),
        stop=lambda state: state.upcoming_sleep > left_s(state),
        before_sleep=lambda state: told.failure(str(_error(state)), left_s(state)),
        sleep=sleep,
        reraise=True,
    )
    try:
        return tries(work)
    finally:
        told.repeats()


class _Told:
    """Tells each new failure once, and how often it came again."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._tell = tell
        self._said, self._again = "", 0

    def failure(self, text: str, left_s: float) -> None:
        """Tell a failure, unless it is the last one again."""
        if text == self._said:
            self._again += 1
            return
        self.repeats()
        self._said, self._again = text, 0
        self._tell(f"{text}; trying again for {left_s:.0f} s")

    def repeats(self) -> None:
        """Tell how often the last failure came again."""
        if self._again:
            self._tell(f"the same {self._again} more times: {self._said.splitlines()[0]}")


def _error(state: RetryCallState) -> BaseException | None:
    return None if state.outcome is None else state.outcome.exception()
