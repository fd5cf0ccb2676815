"""What holds for every test."""

import os
import signal

import pytest

# A shell that runs us in the background has SIGINT ignored, and children would inherit that: Ctrl-C is under test here.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which API servers stood in for the cluster."""
    real = os.environ.get("HARNESS_TEST_KUBECONFIG")
    ran = f"the fake and the real one of {real}" if real else "the fake only (HARNESS_TEST_KUBECONFIG is not set)"
    terminalreporter.write_line(f"tests of the cluster ran against these Kubernetes API servers: {ran}")
