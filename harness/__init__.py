"""Chaos and canary analysis for services on Kubernetes and Istio, as pytest tests.

Importing this package loads none of scipy, kubernetes, locust or gevent.
"""

from harness.faults import Abort, Delay, Timeout, abort, delay, timeout
from harness.model.verdict import Analysis, Verdict

__all__ = ["Abort", "Analysis", "Delay", "Timeout", "Verdict", "abort", "delay", "timeout"]
__version__ = "0.1.0"
