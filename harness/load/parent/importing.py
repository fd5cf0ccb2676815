"""Check that Locust can import a load profile, in a process of its own and without sending anything."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from harness.errors import LoadProfileError
from harness.printable import printable

_LIMIT_S = 60.0
_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')


def require_importable(profile: Path) -> None:
    """Raise LoadProfileError, with the line of the profile, if it cannot be imported or has no User class."""
    command = [sys.executable, "-m", "locust", "-f", str(profile), "--list"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_LIMIT_S)
    except subprocess.TimeoutExpired as error:
        raise LoadProfileError(
            f"{profile}: expected an import of less than {_LIMIT_S:g} s: does the profile block while it is imported?"
        ) from error
    if done.returncode == 0:
        return
    said = printable(done.stderr).strip()
    lines = [found["line"] for found in _FRAME.finditer(said) if Path(found["file"]) == profile]
    place = f"{profile}:{lines[-1]}" if lines else str(profile)
    raise LoadProfileError(f"{place}: the profile cannot be imported: {said.splitlines()[-1] if said else 'no reason'}")
