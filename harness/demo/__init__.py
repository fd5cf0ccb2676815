"""A demo application in the shape of Istio's Bookinfo: four small services, each its own process.

productpage asks details and reviews, reviews asks ratings; paths and answers are Bookinfo's, so its Istio files fit.
``project/`` is a complete project around it: configuration, Istio resources, a load profile and scenarios. Its
``harness.yaml`` starts the services with ``python -m harness.demo.<service> --port ...``.
"""

from __future__ import annotations

from pathlib import Path

PROJECT = Path(__file__).parent / "project"
"""The folder of the demo's project. It is part of the package, so the demo needs no clone."""
