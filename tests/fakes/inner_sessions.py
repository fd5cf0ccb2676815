"""Sessions of pytest inside this process: what they are started with, and what they find loaded.

Such a session forgets the modules that it loads. numpy can be loaded only once, the harness would be loaded each time, and
of a module that is loaded again, some would see the first copy.
"""

from __future__ import annotations

from harness import gate  # noqa: F401
from harness.plugin import options, reporting, subjects  # noqa: F401
from harness.report import page  # noqa: F401

QUIET = ("-p", "no:locust", "-p", "no:cacheprovider")
PLUGIN = (*QUIET, "-p", "stub_canary")
"""With verdicts that the tests choose."""
