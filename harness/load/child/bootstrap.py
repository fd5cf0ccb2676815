"""The locustfile that runs before a profile, as in ``locust -f .../bootstrap.py,loadprofiles/browse.py --host URL``.

Locust imports it first, so it can also tell the harness why a profile cannot be imported. When the harness starts it,
an environment variable names the specification. When a person starts it, as above, it makes a specification from the
profile's LOADPROFILE literal and prints where the recordings are. Locust's environment is Any, as in ``worker``.
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

from harness.clients.processes.priority import raise_priority
from harness.load.child.coordinator import Coordinator
from harness.load.child.standalone import write_standalone_spec
from harness.load.child.worker import LoadWorker
from harness.load.protocol.child_spec import SPEC_VARIABLE, UPLOAD_VARIABLE, decode_spec
from harness.load.protocol.sample_files import importing_file, refusal_file
from harness.load.protocol.stack_dump import install_stack_dump

BY_HARNESS = SPEC_VARIABLE in os.environ
SPEC = Path(os.environ[SPEC_VARIABLE]) if BY_HARNESS else write_standalone_spec(sys.argv)
PLAN = decode_spec(SPEC.read_text())
MAIN: Any = getcurrent()  # gevent has no types


class CoordinatedShape(LoadTestShape):
    """Lets the harness decide when the test ends. It comes first, so it takes precedence over the profile's shape."""

    coordinator: Coordinator | None = None

    def tick(self) -> tuple[int, float] | None:
        """Delegate to ``Coordinator.tick``."""
        return self.coordinator.tick() if self.coordinator else None


class NoUser(User):
    """Keeps Locust from looking for pytest functions when a profile has no User class. It never runs."""


def _explain(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    profile = str(PLAN.profile)
    lines = [frame.lineno for frame in traceback.extract_tb(trace) if frame.filename == profile]
    if isinstance(error, SyntaxError) and error.filename == profile:
        lines = [error.lineno]
    place = f"{profile}:{lines[-1]}" if lines else profile
    summary = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    refuse(f"{place}: the profile cannot be imported: {summary}")
    sys.__excepthook__(kind, error, trace)


def refuse(reason: str) -> None:
    """Tell the harness why this profile cannot run."""
    refusal_file(SPEC.parent).write_text(reason)


def _on_init(environment: Any, **_: object) -> None:
    raise_priority(own_session=BY_HARNESS)
    sys.excepthook = sys.__excepthook__
    if BY_HARNESS:  # as the option --host would
        environment.host = environment.parsed_options.host = PLAN.url.rstrip("/")
    environment.user_classes = [kind for kind in environment.user_classes if kind is not NoUser]
    if not any(kind.tasks for kind in environment.user_classes):
        refuse(f"{PLAN.profile}: expected a User class with at least one @task, found none")
        sys.exit(1)
    worker, upload = None, UPLOAD_VARIABLE in os.environ
    if not isinstance(environment.runner, MasterRunner):
        worker = LoadWorker(environment, SPEC.parent, upload=upload)
    if not isinstance(environment.runner, WorkerRunner):
        CoordinatedShape.coordinator = Coordinator(environment, PLAN, SPEC.parent, local_worker=worker, upload=upload)


cast(Any, events.init).add_listener(_on_init)
sys.excepthook = _explain
install_stack_dump(lambda: MAIN.gr_frame)
importing_file(SPEC.parent).touch()
