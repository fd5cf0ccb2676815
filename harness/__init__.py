"""Chaos and canary analysis for services on Kubernetes and Istio, as pytest tests.

Importing this package loads none of scipy, kubernetes, locust or gevent.
"""

from harness.model.fault import Abort, Delay, abort, delay
from harness.model.verdict import Analysis, Verdict

__all__ = ["Abort", "Analysis", "Delay", "Verdict", "abort", "delay"]
__version__ = "0.1.0"
