"""The pictures of the documentation can be made again, and none shows a path of the machine that made them."""

from __future__ import annotations

import importlib.util
import struct
from pathlib import Path
from types import ModuleType

import pytest
from playwright.sync_api import Page

LENGTHY = (pytest.mark.slow, pytest.mark.lengthy)
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def screenshots() -> ModuleType:
    """The script, as a module."""
    spec = importlib.util.spec_from_file_location("screenshots", DOCS / "screenshots.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "pictures"),
    [
        ("history", {"history.png"}),
        pytest.param("run", {"live.png", "report.png", "index.png"}, marks=LENGTHY),
        pytest.param("release", {"release.png"}, marks=LENGTHY),
    ],
)
def test_pictures_are_made_from_runs(
    page: Page, screenshots: ModuleType, tmp_path: Path, name: str, pictures: set[str]
) -> None:
    """Each has the size of the window. The slow ones run the demo: ``pytest -m slow tests/docs/test_screenshots.py``."""
    screenshots.take(page, [name], tmp_path)
    assert pictures == {path.name for path in tmp_path.iterdir()}
    assert all(size(path) == (1180, 760) for path in tmp_path.iterdir())


def test_every_picture_is_used_and_every_used_one_is_there() -> None:
    """A picture that no page shows is not kept up to date by anybody."""
    pages = [*DOCS.rglob("*.md"), DOCS.parent / "README.md"]
    texts = "\n".join(page.read_text(encoding="utf-8") for page in pages if page.parent.name != "reference")
    there = {path.name for path in (DOCS / "images").iterdir()}
    assert there == {name for name in there if f"images/{name}" in texts}
    assert {"report.png", "index.png", "live.png", "release.png", "history.png"} <= there


def size(picture: Path) -> tuple[int, int]:
    """Width and height of a PNG."""
    width, height = struct.unpack(">II", picture.read_bytes()[16:24])
    return width, height
