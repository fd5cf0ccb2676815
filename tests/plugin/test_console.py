"""What a run shows while it goes on."""

import fcntl
import io
import os
import pty
import select
import struct
import termios
from pathlib import Path

import stub_canary
from inner_sessions import PLUGIN

from harness.console import watcher
from harness.model.record import Event
from harness.plugin.fixtures import _on_lines_of_their_own
from harness.runner.progress import Progress


def progress(elapsed_s, phase="steady"):
    """A moment of a run."""
    return Progress(
        elapsed_s=elapsed_s, total_s=60.0, phase=phase, rate_rps=9.0, failed=(0, 0), requests=(5, 4), p50_s=(0.1, 0.1)
    )


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self):
        """Lines can be overwritten."""
        return True


def test_progress_is_a_line_every_five_seconds_and_at_each_phase():
    """A log of a pipeline does not grow by a line a second."""
    stream = io.StringIO()
    tell = watcher(stream)
    for second in range(12):
        tell(progress(float(second)))
    tell(progress(12.0, "fault"))
    tell(progress(0.0, "fault"))  # another load
    assert ["0", "5", "10", "12", "0"] == [line.split("/")[0].strip() for line in stream.getvalue().splitlines()]


def test_a_terminal_overwrites_one_line():
    """Progress every second in place; events stay."""
    stream = Terminal()
    tell = watcher(stream)
    tell(progress(1.0))
    tell(progress(2.0))
    tell(Event(at_s=2.5, kind="fault", text="delay: live", fields={}))
    assert 1 == stream.getvalue().count("\n")
    assert stream.getvalue().endswith("   2.5 s  delay: live\n")


def written_to(terminal):
    """Return what was written to a terminal and not read yet."""
    parts = []
    while select.select([terminal], [], [], 0.2)[0]:
        parts.append(os.read(terminal, 4096))
    return b"".join(parts).decode()


def screen(written, columns):
    """Return the lines of a terminal after ``written``; no part may be too long, because it would begin a new line."""
    lines = []
    for line in written.split("\n"):
        cells = ""
        for part in line.split("\r"):
            assert len(part) <= columns, part
            cells = part + cells[len(part) :]
        lines.append(cells.rstrip())
    return lines


def test_a_narrow_terminal_keeps_one_line_and_only_events_stay():
    """A progress that is longer than the terminal is wide is cut, and the next event takes its place."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 50, 0, 0))
    with open(theirs, "w", encoding="utf-8") as stream:  # noqa: PTH123 - a descriptor
        tell = watcher(stream)
        tell(Event(at_s=0.0, kind="wait", text="waiting for the mesh", fields={}))
        for second in range(3):
            tell(progress(float(second)))
        during = written_to(ours)
        tell(Event(at_s=2.5, kind="fault", text="delay: live", fields={}))
        after = written_to(ours)
    os.close(ours)
    first, line = screen(during, 50)
    assert "   0.0 s  waiting for the mesh" == first
    assert "   2/60 s  steady" in line
    assert [first, "   2.5 s  delay: live", ""] == screen(during + after, 50)


def test_lines_of_a_worker_have_its_name_and_are_appended():
    """A terminal belongs to the controller of xdist, so a worker overwrites nothing."""
    stream = Terminal()
    tell = watcher(stream, live=False, prefix="gw1  ")
    tell(Event(at_s=2.5, kind="fault", text="delay: live", fields={}))
    tell(progress(3.0))
    assert "\r" not in stream.getvalue()
    assert ["gw1  ", "gw1  "] == [line[:5] for line in stream.getvalue().splitlines()]


def test_workers_say_when_they_measure_and_what_came_of_it(pytester, monkeypatch):
    """Each scenario has a line at its begin and its end on the controller's error stream."""
    monkeypatch.setenv("PYTHONPATH", str(Path(stub_canary.__file__).parent))
    pytester.makepyfile("""
        def test_it(canary, request):
            from harness.plugin.locking import one_at_a_time
            with one_at_a_time(request.path.parent, canary._test._say):
                canary.run("pass")
    """)
    result = pytester.runpytest_subprocess(*PLUGIN, "-n1")
    result.assert_outcomes(passed=1)
    said = [line for line in result.stderr.lines if line.startswith("gw0  ")]
    assert ["begins to measure", "pass: stubbed pass", "ended"] == [line.split("test_it: ")[1] for line in said]


def test_ctrl_c_says_what_was_reverted(pytester):
    """Every revert of the session, with its proof."""
    pytester.makepyfile("""
        from harness.model.record import Event
        def test_it(canary):
            tell = canary._test.tell
            tell(Event(at_s=1.0, kind="rollback", text="delay(ratings): removing", fields={}))
            tell(Event(at_s=1.0, kind="rollback", text="delay(ratings): removed and verified", fields={"seconds": 0.1}))
            raise KeyboardInterrupt
    """)
    result = pytester.runpytest_inprocess(*PLUGIN, no_reraise_ctrlc=True)
    assert 130 == result.ret
    result.stdout.fnmatch_lines(
        ["harness: interrupted; *these changes were reverted:", "  delay(ratings): removed and verified"]
    )
    assert 1 == result.stdout.str().count("  delay(ratings): rem")


def test_events_begin_on_a_line_of_their_own():
    """Pytest has written the name of the file without an end of line by then."""
    said = []

    class Reporter:
        def ensure_newline(self):
            said.append("newline")

        def flush(self):
            said.append("flush")

    _on_lines_of_their_own(Reporter(), lambda what: said.append(what.text))(
        Event(at_s=0.0, kind="wait", text="waiting")
    )
    assert ["newline", "flush", "waiting"] == said
