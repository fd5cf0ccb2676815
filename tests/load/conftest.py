"""A service to load, and locustfiles to load it with."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from load_runs import Target

from harness.clients.processes.child import start, wait_until
from harness.clients.processes.ports import free_ports


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """One service for all tests; each test forgets what it has seen when it needs to."""
    port, folder = free_ports(1)[0], tmp_path_factory.mktemp("service")
    command = [sys.executable, str(Path(__file__).with_name("service.py")), str(port)]
    target = Target(f"http://127.0.0.1:{port}")
    with start(command, name="service", log=folder / "service.log") as process:

        def answers() -> bool:
            process.check()
            try:
                target.forget()
            except OSError:
                return False
            return True

        assert wait_until(answers, timeout_s=120)
        yield target


@pytest.fixture
def target(service: Target) -> Target:
    """The service, having forgotten everything."""
    service.forget()
    return service


@pytest.fixture
def profile(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a locustfile: imports and class head are there, the argument is the body of the class or the whole file."""

    def write(text: str, *, whole: bool = False) -> Path:
        head = "from locust import FastHttpUser, constant, task\n\n\nclass Visitor(FastHttpUser):\n"
        body = dedent(text).strip("\n")
        path = tmp_path / "visit.py"
        path.write_text(body if whole else head + "\n".join(f"    {line}" for line in body.splitlines()) + "\n")
        return path

    return write
