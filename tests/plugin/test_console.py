"""What a run shows while it goes on."""

import io

from stub_canary import PLUGIN

from harness.console import watcher
from harness.model.record import Event
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
    tell = watcher(stream, width=80)
    for second in range(12):
        tell(progress(float(second)))
    tell(progress(12.0, "fault"))
    tell(progress(0.0, "fault"))  # another load
    assert ["0", "5", "10", "12", "0"] == [line.split("/")[0].strip() for line in stream.getvalue().splitlines()]


def test_a_terminal_overwrites_one_line():
    """Progress every second in place; events stay."""
    stream = Terminal()
    tell = watcher(stream, width=80)
    tell(progress(1.0))
    tell(progress(2.0))
    tell(Event(at_s=2.5, kind="fault", text="delay: live", fields={}))
    assert 1 == stream.getvalue().count("\n")
    assert stream.getvalue().endswith("   2.5 s  delay: live\n")


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
