"""Make the pictures of the documentation from real runs: ``python docs/screenshots.py``, or ``make docs``.

Runs the demo with a canary that fails under the fault, opens its report in a headless Chromium and takes a picture of
its first screen.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from harness.run_folder import all_runs

IMAGES = Path(__file__).parent / "images"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking")


def main(images: Path = IMAGES) -> None:
    """Run the demo and write every picture."""
    with tempfile.TemporaryDirectory(prefix="shop-") as name:
        folder = Path(name)
        program = Path(sys.executable).parent
        environment = {**os.environ, "PATH": f"{program}:{os.environ['PATH']}"}
        command = [str(program / "harness"), "demo", "--canary", "fragile", "--seed", "1", "--out", name]
        ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
        if ended.returncode != 1:
            sys.exit(f"expected the demo's fragile canary to fail (exit code 1), found {ended.returncode}")
        bundle = all_runs(folder)[-1].bundles[-1]
        picture(bundle / "report.html", images / "report.png", profile=folder / "profile")


def picture(page: Path, file: Path, *, profile: Path) -> None:
    """Write a picture of a page's first screen."""
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser is None:
        sys.exit(f"expected a browser ({', '.join(_BROWSERS)}), found none; install the package chromium")
    file.parent.mkdir(exist_ok=True)
    words = [f"--user-data-dir={profile}", "--window-size=1180,760", f"--screenshot={file}", page.resolve().as_uri()]
    subprocess.run(
        [browser, *_FLAGS, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, timeout=120
    )


if __name__ == "__main__":
    main()
