"""The documentation as a static site: ``make docs``. Reference pages are written from the code at each build."""

from __future__ import annotations

import sys
from pathlib import Path

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))

project = "canary-harness"
copyright = "the canary-harness maintainers"  # noqa: A001 - the name that Sphinx reads
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
myst_heading_anchors = 3
html_theme = "furo"
html_title = "canary-harness"
html_show_sphinx = False


def setup(app: Sphinx) -> None:
    """Write the reference before Sphinx reads the pages."""
    from generated import write_reference  # noqa: PLC0415 - found by the path that is set above

    app.connect("builder-inited", lambda built: write_reference(Path(built.srcdir) / "reference"))
