"""Make the pictures of the documentation from real runs: ``python docs/screenshots.py [NAME ...]``, or ``make docs``.

Copies the demo into a project, runs its scenarios with a canary that fails while ratings is slow, and takes a picture
of the first screen of the page of a run that goes on, of a report, of the page of the run and of a release. The history
is that of a hundred nights which the generator of the tests makes. Everything happens in a temporary folder and with
relative paths, so that no picture shows a path of this machine.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "report"))

import browsing
import histories
from browsing import show

from harness.cli import main as harness
from harness.release.store import PAGE, RELEASES
from harness.run_folder import INDEX, all_runs

if TYPE_CHECKING:
    from playwright.sync_api import Page

IMAGES = Path(__file__).parent / "images"
_PROGRAM = Path(sys.executable).parent / "harness"
_WIDTH, _HEIGHT = 1180, 760
_PATIENCE_S = 600.0


def main(names: list[str]) -> None:
    """Make the pictures of these names, or all of them."""
    program = next(filter(None, map(shutil.which, browsing.PROGRAMS)), None)
    if program is None:
        sys.exit(f"expected a browser ({', '.join(browsing.PROGRAMS)}), found none; install the package chromium")
    with browsing.chromium(program) as browser:
        take(browser.new_page(), names, IMAGES)


def take(page: Page, names: list[str], images: Path) -> None:
    """Make the pictures of these names, or all of them, in a folder."""
    makers: Mapping[str, Callable[[Page, Path, Path], None]] = {"run": _run, "history": _history, "release": _release}
    unknown = set(names) - set(makers)
    if unknown:
        sys.exit(f"expected names of {', '.join(makers)}, found {', '.join(sorted(unknown))}")
    images.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="pictures-") as folder:
        for name in names or makers:
            work = Path(folder) / name
            work.mkdir()
            makers[name](page, work, images)


def _run(page: Page, folder: Path, images: Path) -> None:
    """Make live.png, report.png and index.png from one run of the demo's scenarios with a fragile canary."""
    shop = folder / "shop"
    _call("demo", "--copy", "shop", cwd=folder)
    settings = shop / "harness.yaml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace("REVIEWS_KIND: good", "REVIEWS_KIND: fragile"), encoding="utf-8")
    with _serving(shop) as address, subprocess.Popen(_words("run", "--", "-q"), cwd=shop, env=_environment()) as run:
        _until(lambda: bool(all_runs(shop / "reports")), run)
        (recorded,) = all_runs(shop / "reports")
        show(page, f"{address}/runs/{recorded.folder.name}", width=_WIDTH, height=_HEIGHT)
        _until(lambda: "%): live" in page.evaluate("document.body.innerText"), run)
        time.sleep(5)  # so that the fault has lasted for a while
        page.screenshot(path=images / "live.png")
        code = run.wait(_PATIENCE_S)
    if code != 1:
        sys.exit(f"expected the fragile canary to fail (exit code 1), found {code}; is this machine busy?")
    (recorded,) = all_runs(shop / "reports")
    failed = next(bundle for bundle in recorded.bundles if '"fail"' in (bundle / "analysis.json").read_text()[:200])
    _picture(page, failed / "report.html", images / "report.png")
    _picture(page, recorded.folder / INDEX, images / "index.png")


def _history(page: Page, folder: Path, images: Path) -> None:
    """Make history.png from a hundred nights."""
    histories.written(folder, histories.years(100))
    harness(["history", str(folder), "--out", str(folder / "site")])
    _picture(page, folder / "site" / INDEX, images / "history.png")


def _release(page: Page, folder: Path, images: Path) -> None:
    """Make release.png from a release of the demo that is promoted."""
    _call("demo", "--release", "--out", "reports", cwd=folder)
    (shown,) = folder.rglob(f"{RELEASES}/*/{PAGE}")
    _picture(page, shown, images / "release.png")


def _picture(page: Page, file: Path, picture: Path) -> None:
    show(page, file, width=_WIDTH, height=_HEIGHT)
    page.screenshot(path=picture)


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    """Serve the pages of a project, and yield their address."""
    words = _words("serve", "--address", "127.0.0.1:0")
    with subprocess.Popen(words, cwd=folder, env=_environment(), stderr=subprocess.PIPE, text=True) as server:
        try:
            lines = server.stderr or ()
            found = next(filter(None, (re.search(r"http://[\d.]+:\d+", line) for line in lines)), None)
            if found is None:
                sys.exit("expected harness serve to print its address, it ended")
            yield found.group()
        finally:
            server.terminate()


def _until(happened: Callable[[], bool], run: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _PATIENCE_S
    while not happened():
        if run.poll() is not None or time.monotonic() > until:
            sys.exit("expected the run to show what it does, it has ended or hangs")
        time.sleep(0.3)


def _call(*words: str, cwd: Path) -> None:
    try:
        ended = subprocess.run(
            _words(*words), cwd=cwd, env=_environment(), capture_output=True, text=True, check=False,
            timeout=_PATIENCE_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        sys.exit(
            f"harness {' '.join(words)}: did not end; a release that is held waits for a person: is this machine busy? "
            "Its processes go on: end them with harness release abort"
        )
    if ended.returncode:
        sys.exit(
            f"harness {' '.join(words)}: exit code {ended.returncode}\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}"
        )


def _words(*words: str) -> list[str]:
    return [str(_PROGRAM), *words]


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{_PROGRAM.parent}:{os.environ['PATH']}"}


if __name__ == "__main__":
    main(sys.argv[1:])
