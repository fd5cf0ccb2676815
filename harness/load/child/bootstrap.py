"""The locustfile in front of a profile: ``locust -f .../bootstrap.py,loadprofiles/browse.py --headless --host URL``.

Locust imports it first, so it also tells the harness why a profile could not be imported. Started by
the harness it finds its order by an environment variable; started by hand, as above, it makes
one from the profile's LOADPROFILE literal and says where the recordings are.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from gevent import getcurrent
from locust import LoadTestShape, User, events
from locust.runners import MasterRunner, WorkerRunner

from harness.load.child.coordinator import Coordinator
from harness.load.child.priority import be_served_first
from harness.load.child.standalone import order_by_hand
from harness.load.child.worker import Part
from harness.load.protocol.child_spec import ORDER_VARIABLE, SHIP_VARIABLE, read_order
from harness.load.protocol.sample_files import importing_file, refusal_file
from harness.load.protocol.stack_dump import answer_when_asked

BY_HARNESS = ORDER_VARIABLE in os.environ
ORDER = Path(os.environ[ORDER_VARIABLE]) if BY_HARNESS else order_by_hand(sys.argv)
PLAN = read_order(ORDER.read_text())
MAIN: Any = getcurrent()


class OrderedShape(LoadTestShape):
    """Lets the harness decide when the test ends; being the first shape, it also wins over one in the profile."""

    conductor: Coordinator | None = None

    def tick(self) -> Any:
        """See ``Coordinator.tick``."""
        return self.conductor.tick() if self.conductor else None


class NoUser(User):
    """Keeps Locust from looking for pytest functions when a profile has no User class; never run."""


def _explain(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    profile = str(PLAN.profile)
    lines = [frame.lineno for frame in traceback.extract_tb(trace) if frame.filename == profile]
    if isinstance(error, SyntaxError) and error.filename == profile:
        lines = [error.lineno]
    place = f"{profile}:{lines[-1]}" if lines else profile
    summary = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    refuse(f"{place}: the profile does not import: {summary}")
    sys.__excepthook__(kind, error, trace)


def refuse(reason: str) -> None:
    """Tell the harness why this profile cannot be run."""
    refusal_file(ORDER.parent).write_text(reason)


def _on_init(environment: Any, **_: Any) -> None:
    be_served_first(own_session=BY_HARNESS)
    sys.excepthook = sys.__excepthook__
    environment.user_classes = [kind for kind in environment.user_classes if kind is not NoUser]
    if not any(kind.tasks for kind in environment.user_classes):
        refuse(f"{PLAN.profile}: expected a User class with at least one @task, found none")
        sys.exit(1)
    part, ship = None, SHIP_VARIABLE in os.environ
    if not isinstance(environment.runner, MasterRunner):
        part = Part(environment, ORDER.parent, ship=ship)
    if not isinstance(environment.runner, WorkerRunner):
        OrderedShape.conductor = Coordinator(environment, PLAN, ORDER.parent, alone=part, ship=ship)


cast(Any, events.init).add_listener(_on_init)
sys.excepthook = _explain
answer_when_asked(lambda: MAIN.gr_frame)
importing_file(ORDER.parent).touch()
