"""A configured folder for each test."""

import signal

import psutil
import pytest
from gates import Gate


@pytest.fixture
def gate(tmp_path):
    """A configured folder; whatever a failed test left running is ended."""
    made = Gate(tmp_path)
    made.configure()
    yield made
    for process in psutil.process_iter():
        try:
            if process.environ().get("HARNESS_TEST_MARK") == made.mark:
                process.send_signal(signal.SIGKILL)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
