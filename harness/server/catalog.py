"""List releases, runs and their scenarios for the pages, from their folders. Decides nothing.

A finished run does not change, so it is read once. Everything that a page may open is found by listing folders, never
by joining a path from a request.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.live_state import read_live
from harness.model.json import JsonObject
from harness.model.release import ReleaseRecord
from harness.model.verdict import Verdict
from harness.run_folder import RUN, RecordedRun, read_run, run_folders, worst_code
from harness.server.releases import releases
from harness.summary import NO_VERDICT, Summary, summaries

_TROUBLE = 12
_WORDS = {verdict.exit_code: verdict.value for verdict in Verdict}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One scenario of a run. live: what it shows while it runs. under_way: whether its run goes on."""

    folder: Path
    summary: Summary
    live: JsonObject | None
    under_way: bool = False

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.folder.name

    @property
    def title(self) -> str:
        """What people call it."""
        running = str(self.live.get("scenario", "")) if self.live else ""
        return running or self.summary.test or self.name

    @property
    def judged(self) -> bool:
        """Whether it has a verdict."""
        return self.summary.verdict != NO_VERDICT

    @property
    def state(self) -> str:
        """Its verdict, ``running``, or ``trouble``."""
        if self.judged:
            return self.summary.verdict
        return "running" if self.live is not None or self.under_way else "trouble"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run with its scenarios. state: its worst verdict, ``running`` or ``trouble``."""

    recorded: RecordedRun
    scenarios: tuple[Scenario, ...]
    state: str

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.recorded.folder.name


class Catalog:
    """Reads the folder of recorded runs. One object serves all pages; call it from one thread at a time."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self._known: dict[Path, tuple[float, Run]] = {}

    def runs(self, folder: Path | None = None) -> tuple[Run, ...]:
        """Return the runs in a folder, by default in the folder of recorded runs, newest first."""
        found = [self._run(one) for one in run_folders(self.out if folder is None else folder)]
        return tuple(sorted(found, key=lambda run: (run.recorded.started_s, run.name), reverse=True))

    def releases(self) -> tuple[ReleaseRecord, ...]:
        """Return every release that can be read, newest first."""
        found = [record for _, record in releases(self.out)]
        return tuple(sorted(found, key=lambda record: record.started_s, reverse=True))

    def release(self, name: str) -> tuple[Path, ReleaseRecord] | None:
        """Return the folder and the record of a release by its id."""
        return next(((folder, record) for folder, record in releases(self.out) if record.id == name), None)

    def _run(self, folder: Path) -> Run:
        mark = folder / RUN
        changed_s = mark.stat().st_mtime if mark.is_file() else folder.stat().st_mtime
        known = self._known.get(folder)
        if known is not None and known[1].recorded.finished and known[0] == changed_s:
            return known[1]
        run = _with_scenarios(read_run(folder))
        self._known[folder] = changed_s, run
        return run


def _with_scenarios(recorded: RecordedRun) -> Run:
    scenarios = tuple(_scenario(recorded, summary) for summary in summaries(recorded))
    if recorded.under_way or (not recorded.finished and any(one.live for one in scenarios)):
        return Run(recorded=recorded, scenarios=scenarios, state="running")
    codes = [Verdict(one.summary.verdict).exit_code if one.judged else _TROUBLE for one in scenarios]
    if recorded.trouble:
        codes.append(_TROUBLE)
    elif recorded.exit_code is not None:
        codes.append(recorded.exit_code)
    return Run(recorded=recorded, scenarios=scenarios, state=_WORDS.get(worst_code(codes), "trouble"))


def _scenario(recorded: RecordedRun, summary: Summary) -> Scenario:
    folder = recorded.folder / summary.folder
    live = read_live(folder) if not recorded.finished and summary.verdict == NO_VERDICT else None
    return Scenario(folder=folder, summary=summary, live=live, under_way=recorded.under_way)
