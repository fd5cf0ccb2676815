"""Try to turn the folder in which free_ports keeps its leases against the user who runs the harness."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from harness.clients.processes.ports import free_ports
from harness.errors import PortError


@pytest.fixture
def leases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of the leases in an empty temporary folder that others can write too."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"harness-ports-{os.getuid()}"


def _old(path: Path) -> Path:
    """Make a file that looks like a lease which expired in 1970."""
    path.write_text("keep")
    os.utime(path, (0, 0))
    return path


def test_a_link_in_place_of_the_folder_deletes_no_files_of_its_target(leases: Path, tmp_path: Path) -> None:
    """Another user links the predictable name to a folder of the victim; old files there stay, and PortError says so."""
    precious = tmp_path / "precious"
    precious.mkdir()
    files = [_old(precious / "thesis.tex"), _old(precious / "12345")]
    leases.symlink_to(precious)
    with pytest.raises(
        PortError, match=r"expected .*harness-ports-\d+ to be a folder of your own, found a link.*TMPDIR"
    ):
        free_ports(1)
    assert all(file.read_text() == "keep" for file in files)
    assert len(list(precious.iterdir())) == 2


def test_a_file_in_place_of_the_folder_is_reported(leases: Path) -> None:
    """A file of that name stays, and PortError says what to do."""
    leases.write_text("keep")
    with pytest.raises(PortError, match="found a file; remove it, or set TMPDIR"):
        free_ports(1)
    assert leases.read_text() == "keep"


def test_a_folder_of_another_user_is_refused(leases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user made the folder first: nothing in it is changed, and PortError names the owner."""
    me = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: me + 1)
    theirs = tmp_path / f"harness-ports-{me + 1}"
    theirs.mkdir(mode=0o777)
    lease = _old(theirs / "12345")
    with pytest.raises(PortError, match=rf"found one of user {me}; .*TMPDIR"):
        free_ports(1)
    assert lease.exists()


def test_only_leases_are_deleted(leases: Path, tmp_path: Path) -> None:
    """In the folder itself only files whose names are ports are deleted, and a link is not followed."""
    leases.mkdir(mode=0o700)
    note, lease, target = _old(leases / "note.txt"), _old(leases / "12345"), _old(tmp_path / "target")
    (leases / "12346").symlink_to(target)
    os.utime(leases / "12346", (0, 0), follow_symlinks=False)
    (leases / "12347").mkdir()
    os.utime(leases / "12347", (0, 0))
    free_ports(1)
    assert (note.exists(), lease.exists(), target.read_text()) == (True, False, "keep")


def test_the_folder_is_private(leases: Path) -> None:
    """Nobody else may read or write the folder, even if the umask or an earlier chmod allowed it."""
    before = os.umask(0)
    try:
        free_ports(1)
    finally:
        os.umask(before)
    assert stat.S_IMODE(leases.stat().st_mode) == 0o700
    leases.chmod(0o777)
    free_ports(1)
    assert stat.S_IMODE(leases.stat().st_mode) == 0o700


def test_a_temporary_folder_that_cannot_be_written_is_reported(leases: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A temporary folder that does not exist is an error of this package, not a FileNotFoundError."""
    monkeypatch.setattr(tempfile, "tempdir", str(leases / "missing"))
    with pytest.raises(PortError, match="TMPDIR"):
        free_ports(1)
