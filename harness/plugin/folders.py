"""The names of the bundles of a pytest run: readable, of bounded length, and different for different tests."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

_MOST = 100
"""The longest name without its hash, in characters; file systems allow 255 bytes, and paths have their limits too."""
_GROUP = re.compile(r"@[^\]/:]*$")
_PLAIN = re.compile(r"[A-Za-z0-9_]+(?:/[A-Za-z0-9_]+)*\.py(?:::[A-Za-z0-9_]+)+")


def without_group(node_id: str) -> str:
    """Return the node id without the group that xdist appends to it with ``--dist loadgroup``."""
    return _GROUP.sub("", node_id)


def bundle_name(node_id: str) -> str:
    """Return the name of the folder for a test: folders joined by dots, then the file, the classes and the test.

    A short hash of the whole node id is appended if the readable part alone could be that of another test: because
    characters were replaced or cut off.
    """
    node_id = without_group(node_id)
    file, *names = node_id.split("::")
    parts = [file.removesuffix(".py").replace("/", "."), *names]
    readable = "-".join(re.sub(r"[^A-Za-z0-9_.]+", "-", part).strip("-.") for part in parts)
    if _PLAIN.fullmatch(node_id) and len(readable) <= _MOST:
        return readable
    return f"{readable[:_MOST].rstrip('-.')}-{hashlib.sha256(node_id.encode()).hexdigest()[:8]}"


def claimed(folder: Path) -> Path:
    """Create ``folder`` and return it; if it exists, because the test is repeated, add ``-2``, ``-3`` and so on.

    No bundle is ever written over another one, also where the file system ignores the case of letters.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        free = folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
        try:
            free.mkdir(mode=0o700)
        except FileExistsError:
            number += 1
        else:
            return free
