"""Load profiles: ordinary locustfiles in a folder, found by name and never imported here.

``loadprofiles/<name>.py`` is the profile ``<name>``; files that start with ``_`` are shared code.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from harness.errors import LoadProfileError


def find_profile(name: str, folders: Sequence[Path]) -> Path:
    """The locustfile of a profile: a name looked up in ``folders`` in their order, or a path that ends with ``.py``.

    Raises LoadProfileError with the known names.
    """
    if name.endswith(".py"):
        if not Path(name).is_file():
            raise LoadProfileError(f"expected a locustfile, found no file {name}")
        return Path(name)
    known = known_profiles(folders)
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    places = ", ".join(str(folder) for folder in folders)
    raise LoadProfileError(
        f"expected the name of a load profile, found {name!r}"
        + (f"; did you mean {near[0]!r}?" if near else "")
        + (f" Known in {places}: {', '.join(sorted(known))}" if known else f" There is no profile in {places}")
    )


def known_profiles(folders: Sequence[Path]) -> dict[str, Path]:
    """All profiles by name; of two with one name the one in the earlier folder."""
    known: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.py")):
            if not path.name.startswith("_"):
                known.setdefault(path.stem, path)
    return known
