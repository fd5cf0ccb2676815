"""Keep the session's account, and close it: the exit code, the lines that explain it, and GitHub's job summary.

These hooks are methods because pytest calls most of them without its configuration.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.errors import HarnessError
from harness.model.verdict import Verdict
from harness.plugin.account import TROUBLE, USAGE, Account
from harness.plugin.spool import Spool
from harness.report import job_summary
from harness.session_end import SessionEnd, write_session_end

if TYPE_CHECKING:
    from harness.report.ci_notes import Note

WORKER_ACCOUNT = "harness_account"
"""Where a worker of xdist puts its account for the controller."""

_OUR_PROPERTIES = "harness."
_TEXTS = ("verdict", "text", "markdown", "reason", "score", "differences")


class Bookkeeper:
    """Writes down what happens in a session. Registered as a plugin of its own."""

    def __init__(self, config: pytest.Config, account: Account, *, note: Path | None = None) -> None:
        """Begin with the account of a session in which nothing has happened. note: where its end is noted."""
        self._config, self._account, self._note = config, account, note
        self._told: dict[tuple[str, str], list[int]] = {}
        self._spool = Spool()
        self._places: dict[str, tuple[str, int]] = {}
        self._planned: list[str] = []
        self.code: int | None = None
        """The exit code of the session; None until it has ended."""

    def pytest_sessionstart(self) -> None:
        """Note that the session has begun."""
        self._write_note()

    def _write_note(self) -> None:
        if self._note is not None:
            write_session_end(self._note, SessionEnd(code=self.code, verdicts=self._account.judged_count))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that cannot be collected: its scenarios are missing."""
        if report.failed:
            last = str(report.longrepr).strip().rpartition("\n")[2]
            self._account.session_failed(USAGE, report.nodeid, last)

    @pytest.hookimpl(trylast=True)  # workers of xdist have sent the report by then
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the report of one part of a test. If a test is repeated, only its last attempt counts.

        Pytest keeps every report until the session ends, so the texts are moved to the disk and the properties, which
        are in the JUnit XML by now, are dropped, unless --html needs them.
        """
        self._account.report(report)
        key = str(getattr(report, "node", "")), report.nodeid
        self._planned += getattr(report, "harness_planned", [])
        self._places[report.nodeid] = (report.location[0], (report.location[1] or 0) + 1)
        again = str(report.outcome) == "rerun"
        if report.when == "setup" or again:
            self._told[key] = []
        texts: list[dict[str, str]] = getattr(report, "harness_told", [])
        if not again:
            shown = ({name: one[name] for name in _TEXTS if name in one} for one in texts)
            self._told.setdefault(key, []).extend(map(self._spool.put, shown))
        if not self._config.getoption("htmlpath", None):
            report.user_properties = [one for one in report.user_properties if not one[0].startswith(_OUR_PROPERTIES)]
            if texts:
                vars(report)["harness_told"] = []

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Note a crash of pytest or of a plugin."""
        self._account.session_failed(TROUBLE, "pytest", f"internal error: {excinfo.exconly()}")

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Note Ctrl-C and the signals that mean the same.

        ``pytest.exit`` and the interruptions of pytest and xdist arrive here too, as classes of their own.
        """
        self._account.interrupted = excinfo.type is KeyboardInterrupt

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write every analysis that is not a pass in full, each pass in one line, and what explains the exit code."""
        told = self._texts()
        if told:
            terminalreporter.write_line("")
        for one in sorted(told, key=lambda one: one["verdict"] == Verdict.PASS):
            terminalreporter.write_line(one["text"])
        if self._planned:
            terminalreporter.section("what would happen")
            for line in self._planned:
                terminalreporter.write_line(line)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Replace pytest's exit code by the one that the account gives, after every other plugin has had its say."""
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output[WORKER_ACCOUNT] = self._account.exported()
            return (yield)
        yield
        status = int(session.exitstatus)
        self.code = self._account.code(status)
        if self._account.concerned:
            session.exitstatus = self.code
        self._write_note()
        words = self._account.words(status)
        self._explain(words)
        told = [(one["verdict"], one["markdown"]) for one in self._texts()]
        if self._account.concerned:
            job_summary.write(told, self._account.troubles, code=self.code, words=words)
            self._tell_ci(told, words)

    def _tell_ci(self, told: Sequence[tuple[str, str]], words: Sequence[str]) -> None:
        """Print annotations, and write the files that options ask for. A file that cannot be written is a warning."""
        from harness.report import ci_notes

        notes, option = self._notes(), self._config.getoption
        self._explain(ci_notes.commands(notes))
        try:
            if option("--harness-gitlab") is not None:
                ci_notes.write_gitlab(notes, option("--harness-gitlab"))
            if option("--harness-comment") is not None:
                limit = ci_notes.COMMENT_LIMIT_BYTES
                text = job_summary.text(
                    told, self._account.troubles, code=self.code or 0, words=words, limit_bytes=limit
                )
                ci_notes.write_comment(text, option("--harness-comment"))
        except HarnessError as error:
            self._explain([f"harness: warning: {error}"])

    def _notes(self) -> list[Note]:
        """Return every verdict and every failure without one, with the place of its test."""
        from harness.report.ci_notes import Note

        notes = [
            Note(
                kind=one["verdict"], place=node_id, path=self._place(node_id)[0], line=self._place(node_id)[1],
                message=one.get("reason", ""), score=float(one.get("score", "nan")),
                differences=json.loads(one.get("differences", "{}")),
            )
            for (_, node_id), group in self._told.items()
            for one in map(self._spool.get, group)
        ]  # fmt: skip
        return notes + [
            Note(kind=kind, place=place, path=self._place(place)[0], line=self._place(place)[1], message=message)
            for place, kind, message in self._account.troubles
        ]

    def _place(self, node_id: str) -> tuple[str, int]:
        return self._places.get(node_id, (node_id.partition("::")[0] or "pytest", 1))

    def pytest_unconfigure(self) -> None:
        """Remove what was kept on the disk, after everything was shown."""
        self._spool.close()

    def _texts(self) -> list[Mapping[str, str]]:
        return [self._spool.get(place) for group in self._told.values() for place in group]

    def _explain(self, words: Sequence[str]) -> None:
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        for line in words:
            if reporter is None:
                print(line, file=sys.stderr)  # noqa: T201 - without a terminal reporter nobody else says it
            else:
                reporter.write_line(line)
