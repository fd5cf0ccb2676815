"""Git revisions as builds: each is resolved to its commit once, checked out next to the release and built there."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.clients.processes.child import start, wait_until
from harness.errors import BuildError, ServiceError, UsageError
from harness.printable import printable

_GIT_S, _BUILD_S = 120.0, 1800.0
_READY = ".harness-built"


def commit_of(root: Path, revision: str) -> str:
    """Return the commit that a revision names now. Raises UsageError if there is none."""
    if revision.startswith("-"):
        raise UsageError(f"--revision: expected a Git revision, found {revision!r}")
    found = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if found.returncode:
        raise UsageError(f"--revision: expected a Git revision of {root}, found {revision!r}")
    return found.stdout.strip()


def checked_out(root: Path, commit: str, folder: Path, *, build: Sequence[str], tell: Callable[[str], None]) -> None:
    """Write the files of a commit to ``folder`` and build them there; do nothing if that was done before.

    folder: gets what the commit has in the folder of harness.yaml and below. Raises BuildError with the last lines of a
    build that fails.
    """
    if (folder / _READY).is_file():
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    archive = folder.with_suffix(".tar")
    made = _git(root, "archive", "--format=tar", f"--output={archive}", commit, ".")
    if made.returncode:
        raise BuildError(f"{commit}: git cannot write its files: {printable(made.stderr.strip())}")
    shutil.unpack_archive(archive, folder, filter="data")
    archive.unlink()
    if build:
        tell(f"building {commit[:12]}: {' '.join(build)}")
        _build(build, folder, commit)
    (folder / _READY).touch()


def _build(command: Sequence[str], folder: Path, commit: str) -> None:
    """Build in ``folder``. All that the command started ends with it, and with this process."""
    log = folder.with_suffix(".log")
    try:
        with start(command, name="build", log=log, cwd=folder) as build:
            if not wait_until(lambda: not build.running(), timeout_s=_BUILD_S):
                raise BuildError(f"{commit}: the build did not end within {_BUILD_S:g} s\n{build.tail()}")
        if build.exit_code:
            raise BuildError(f"{commit}: the build failed: {build.ended_how}\n{build.tail()}")
    except ServiceError as error:
        raise BuildError(f"{commit}: the build {command[0]!r} cannot be run: {error}") from error
    finally:
        log.unlink(missing_ok=True)


def _git(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    program = shutil.which("git") or "git"
    try:
        return subprocess.run(
            [program, *words], cwd=root, capture_output=True, text=True, timeout=_GIT_S, check=False, env=env
        )
    except OSError as error:
        raise UsageError(f"--revision: expected git, it cannot be run: {error}") from error
