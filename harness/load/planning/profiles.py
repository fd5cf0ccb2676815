"""Find load profiles by name. They are ordinary locustfiles in a folder; this module never imports them.

``loadprofiles/<name>.py`` is the profile ``<name>``. Files whose name starts with ``_`` contain shared code.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.errors import LoadProfileError
from harness.model.names import did_you_mean


def find_profile(name: str, folders: Sequence[Path]) -> Path:
    """Return the locustfile of a profile.

    name: looked up in ``folders`` in order, or a path that ends with ``.py``. Raises LoadProfileError, which lists the
    known names.
    """
    if name.endswith(".py"):
        if not Path(name).is_file():
            raise LoadProfileError(f"expected a locustfile, found no file {name}")
        return Path(name)
    known = known_profiles(folders)
    if name in known:
        return known[name]
    places = ", ".join(str(folder) for folder in folders)
    raise LoadProfileError(
        f"expected the name of a load profile, found {name!r}"
        + did_you_mean(name, known)
        + (f"; known in {places}: {', '.join(sorted(known))}" if known else f"; there is no profile in {places}")
    )


def known_profiles(folders: Sequence[Path]) -> dict[str, Path]:
    """Return all profiles by name. If two have the same name, the one in the earlier folder wins."""
    known: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.py")):
            if not path.name.startswith("_"):
                known.setdefault(path.stem, path)
    return known
