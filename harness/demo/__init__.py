"""A demo application that is modelled on Istio's Bookinfo: four small services, each in a process of its own.

productpage calls details and reviews, and reviews calls ratings. Paths and answers are those of Bookinfo, so Bookinfo's
Istio files work with it. ``project/`` is a complete project around it, with configuration, Istio resources, a load
profile and scenarios. Its ``harness.yaml`` starts the services with ``python -m harness.demo.<service> --port ...``.
"""

from __future__ import annotations

from pathlib import Path

PROJECT = Path(__file__).parent / "project"
"""The folder of the demo's project. It is part of the package, so that the demo needs no clone."""
