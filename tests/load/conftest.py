"""Fixtures: a service to send load to, and a writer of locustfiles."""

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
    """One service for all tests; a test can reset its counters."""
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
    """Reset the counters of the service, and return it."""
    service.forget()
    return service


@pytest.fixture
def profile(tmp_path: Path) -> Callable[[str], Path]:
    """A function that writes a locustfile from the body of its User class, or from the whole text."""

    def write(text: str, *, whole: bool = False) -> Path:
        head = "from locust import FastHttpUser, constant, task\n\n\nclass Visitor(FastHttpUser):\n"
        body = dedent(text).strip("\n")
        path = tmp_path / "visit.py"
        path.write_text(body if whole else head + "\n".join(f"    {line}" for line in body.splitlines()) + "\n")
        return path

    return write
