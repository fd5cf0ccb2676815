"""A temporary folder is removed after use, and by a later start if its process was killed."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from harness.scratch import scratch


def aged(folder: Path) -> Path:
    """The folder, as if it had not changed for an hour."""
    os.utime(folder, (0, 0))
    return folder


def test_a_folder_is_removed_after_use(tmp_path: Path) -> None:
    """Unless it was given its final name."""
    with scratch("part-", tmp_path) as folder:
        (folder / "file").write_text("x")
    assert [] == list(tmp_path.iterdir())
    with scratch("part-", tmp_path) as folder:
        folder.rename(tmp_path / "whole")
    assert [tmp_path / "whole"] == list(tmp_path.iterdir())


def test_a_folder_is_kept_after_an_error_until_a_later_start(tmp_path: Path) -> None:
    """Where that is asked for, so that the logs in it can be read."""
    with suppress(ValueError), scratch("part-", tmp_path, keep_after_error=True) as folder:
        raise ValueError
    assert aged(folder).is_dir()
    with suppress(ValueError), scratch("part-", tmp_path) as other:
        raise ValueError
    assert [] == [one for one in (folder, other) if one.exists()]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    """By the next start, once it is old enough."""
    code = (
        "import sys, time; from pathlib import Path; from harness.scratch import scratch\n"
        "with scratch('part-', Path(sys.argv[1])) as folder:\n"
        "    print(folder, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        left = aged(Path(process.stdout.readline().strip()))
        with scratch("part-", tmp_path):
            assert left.is_dir()
        process.send_signal(signal.SIGKILL)
    with scratch("part-", tmp_path):
        assert not left.exists()


def test_what_may_belong_to_somebody_is_left(tmp_path: Path) -> None:
    """A folder that has just been made, another name, a file and a link."""
    young, other = tmp_path / "part-young", tmp_path / "other"
    young.mkdir()
    other.mkdir()
    aged(other)
    (tmp_path / "part-file").write_text("x")
    (tmp_path / "part-link").symlink_to(other)
    os.utime(tmp_path / "part-link", (0, 0), follow_symlinks=False)
    aged(tmp_path / "part-file")
    with scratch("part-", tmp_path):
        assert {"part-young", "part-file", "part-link", "other"} <= {path.name for path in tmp_path.iterdir()}
