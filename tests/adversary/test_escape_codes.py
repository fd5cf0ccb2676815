"""Try to steer the terminal, or to smuggle control characters into reports, from a service, a mesh or a file."""

from __future__ import annotations

import dataclasses
import io
import re
import sys
import time
from enum import Enum
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import report_records

from harness import cli, console
from harness.cli import faults as faults_command
from harness.clients.processes.child import start, wait_until
from harness.errors import CanaryRegression, EnvoyRejection, HarnessError, LoadError, ServiceError
from harness.model.judge import JudgeSettings
from harness.model.objective import Objective
from harness.model.phase import Phase, PhasePlan
from harness.model.record import Event, Record
from harness.model.verdict import Analysis, Verdict
from harness.printable import printable
from harness.report import junit, markdown, page, terminal

EVIL = "\x1b]0;owned\x07\x1b[2J\x1b[1;32mPASS\x1b[0m\x9b31m\r\x08\x00\x7f\u202egnp.exe\ud800"
"""Sets the title, clears the screen, forges a verdict, moves the cursor, turns the text around; half a character."""
FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_KEPT = (Objective, Phase, PhasePlan, JudgeSettings)


def infected(value: Any) -> Any:
    """Return the value with EVIL at the end of every text in it, except in names that the harness looks up."""
    if isinstance(value, (Enum, *_KEPT)):
        return value
    if isinstance(value, str):
        return value + EVIL
    if isinstance(value, dict):
        return {key: infected(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(infected(item) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value) if field.name not in {"phase", "kind", "target"}]
        return dataclasses.replace(value, **{name: infected(getattr(value, name)) for name in names})
    return value


@pytest.fixture(params=list(Verdict))
def run(request: pytest.FixtureRequest) -> tuple[Record, Analysis]:
    """A run with each verdict in which every text from outside is hostile."""
    record, analysis = report_records.run(request.param)
    return infected(record), infected(analysis)


def test_log_text_loses_its_escape_codes_and_keeps_its_words() -> None:
    """Colours, titles and cursor movements go; lines and tabs stay."""
    assert printable("\x1b[31mERROR\x1b[0m\tno\r\nnext \x1b]0;title\x07line") == "ERROR\tno\nnext line"
    assert FORBIDDEN.search(printable(EVIL)) is None


def test_sanitizing_takes_linear_time() -> None:
    """A megabyte of unfinished escape codes is cleaned within 2 s."""
    started = time.process_time()
    for code in ("\x1b]", "\x1b[", "\x1b", "\x1bP\x1b", "\x9b1;", "\x1b[1;"):
        printable(code * (1_000_000 // len(code)))
    assert time.process_time() - started < 12


def test_the_terminal_report_has_no_foreign_codes(run: tuple[Record, Analysis]) -> None:
    """The report, in full and as a line, has no control characters; with colour it has the harness's own codes only."""
    for text in (terminal.render(*run, folder=f"x{EVIL}"), terminal.line(*run)):
        assert FORBIDDEN.search(text) is None
    coloured = terminal.render(*run, color=True) + terminal.line(*run, color=True)
    assert FORBIDDEN.search(re.sub(r"\x1b\[1;3\dm|\x1b\[0m", "", coloured)) is None
    assert set(re.findall(r"\x1b\[1;3\dm", coloured)) <= {f"\x1b[1;3{n}m" for n in range(1, 6)}


def test_the_html_report_has_no_control_characters(run: tuple[Record, Analysis]) -> None:
    """Neither the page nor the parts for pytest-html have control characters."""
    fragments = page.fragments(*run)
    for text in (page.render(*run, folder=f"x{EVIL}"), fragments.html, *fragments.cells):
        found = FORBIDDEN.search(text)
        assert found is None, text[found.start() - 200 : found.end()]
        text.encode()


def test_markdown_and_junit_have_no_control_characters(run: tuple[Record, Analysis]) -> None:
    """The job summary and the properties of JUnit XML are clean, and the properties are valid XML."""
    assert FORBIDDEN.search(markdown.render(*run, folder=f"x{EVIL}")) is None
    for name, value in junit.properties(*run, folder=f"x{EVIL}"):
        assert FORBIDDEN.search(name + value) is None
        element = ET.Element("property", name=name, value=value)
        ET.fromstring(ET.tostring(element))


@pytest.mark.parametrize(
    "error",
    [HarnessError(EVIL), ServiceError(EVIL), EnvoyRejection(EVIL), LoadError(EVIL, log=EVIL), CanaryRegression(EVIL)],
    ids=lambda error: type(error).__name__,
)
def test_the_text_of_an_error_is_clean(error: Exception) -> None:
    """An error that quotes a log, a proxy or a server is clean wherever its text is shown."""
    assert FORBIDDEN.search(str(error)) is None
    assert "PASS" in str(error)


def test_the_log_of_a_service_is_clean_where_it_is_read(tmp_path: Path) -> None:
    """The last lines of a service's log have no escape codes."""
    program = r"print('\x1b[2J\x1b[31mcannot bind\x1b[0m')"
    with start([sys.executable, "-c", program], name="reviews", log=tmp_path / "log") as process:
        assert wait_until(lambda: not process.running(), timeout_s=30)
        assert process.tail() == "cannot bind"
        with pytest.raises(ServiceError) as caught:
            process.check()
    assert FORBIDDEN.search(str(caught.value)) is None


def test_the_live_output_is_clean() -> None:
    """Events of a run, which quote the mesh and the service, cannot steer the terminal."""
    stream = io.StringIO()
    console.watcher(stream)(Event(at_s=1.0, kind="mesh", text=EVIL))
    assert FORBIDDEN.search(stream.getvalue()) is None


def test_the_command_line_prints_nothing_raw(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a command prints, its error and the trace of a bug are clean on both streams."""
    for error in (HarnessError(EVIL), OSError(EVIL), ValueError(EVIL)):

        def run(_args: object, error: Exception = error) -> int:
            faults_command.print(EVIL)
            faults_command.print(EVIL, file=sys.stderr)
            raise error

        monkeypatch.setattr(faults_command, "run", run)
        assert cli.main(["faults"]) == 12
        out, err = capsys.readouterr()
        assert FORBIDDEN.search(out + err) is None
        assert "PASS" in out
        assert "PASS" in err


def test_every_command_prints_through_the_sanitizer() -> None:
    """A module of the command line that prints has the printing function that cleans its text."""
    folder = Path(cli.__file__).parent
    raw = [
        path.name
        for path in sorted(folder.glob("*.py"))
        if re.search(r"(?<![\w.])print\(", path.read_text()) and "import clean_print as print" not in path.read_text()
    ]
    assert raw == []
