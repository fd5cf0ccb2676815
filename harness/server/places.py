"""Find what a URL names by listing folders: a run, a scenario, a log. No text of a request becomes part of a path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request

from harness.model.release import ReleaseRecord
from harness.server.catalog import Catalog, Run, Scenario
from harness.server.jobs import Job, Jobs

_LOGS = (".log", ".txt", ".ndjson")
_MOST_TAIL = 64 * 1024
_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Finds things. Everything that does not exist is 404, without telling what does."""

    catalog: Catalog
    jobs: Jobs

    def runs_folder(self, request: Request) -> tuple[str, Path]:
        """Return the start of the URL and the folder of the runs that a request is about."""
        names = request.path_params
        if "job" in names:
            job = self.job(request)
            return f"/jobs/{job.id}/runs", self.jobs.runs(job)
        if "release" in names:
            folder, _ = self.release(request)
            gates = {path.name: path for path in _folders(folder / "gates")}
            return f"/releases/{folder.name}/gates/{names['gate']}", _known(gates, names["gate"])
        return "/runs", self.catalog.out

    def run(self, request: Request) -> tuple[str, Run]:
        """Return the URL of a run, and the run."""
        start, folder = self.runs_folder(request)
        runs = {run.name: run for run in self.catalog.runs(folder)}
        run = _known(runs, request.path_params["run"])
        return f"{start}/{run.name}", run

    def scenario(self, request: Request) -> tuple[str, Scenario]:
        """Return the URL of a scenario, and the scenario."""
        start, run = self.run(request)
        scenario = _known({one.name: one for one in run.scenarios}, request.path_params["scenario"])
        return f"{start}/{scenario.name}", scenario

    def release(self, request: Request) -> tuple[Path, ReleaseRecord]:
        """Return the folder and the record of a release."""
        found = self.catalog.release(request.path_params["release"])
        if found is None:
            raise HTTPException(404, "no such release")
        return found

    def job(self, request: Request) -> Job:
        """Return a job."""
        return _known({job.id: job for job in self.jobs.all()}, request.path_params["job"])


def logs(folder: Path) -> list[Path]:
    """Return the logs of a scenario in a fixed order, without following links."""
    if not folder.is_dir():
        return []
    found = [path for path in folder.rglob("*") if path.suffix in _LOGS and path.is_file() and not path.is_symlink()]
    return sorted(path for path in found if not any(parent.is_symlink() for parent in path.parents))


def service_log_ends(folder: Path, *, lines: int = 6) -> list[tuple[str, str]]:
    """Return the name and the last lines of each service's log that is not empty."""
    ends = [(path.name, tail(path)) for path in logs(folder) if path.parent.name == "services"]
    return [(name, "\n".join(text.splitlines()[-lines:])) for name, text in ends if text.strip()]


def tail(file: Path) -> str:
    """Return the end of a log."""
    with file.open("rb") as stream:
        stream.seek(0, 2)
        stream.seek(max(0, stream.tell() - _MOST_TAIL))
        return stream.read(_MOST_TAIL).decode("utf-8", "replace")


def _folders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()] if folder.is_dir() else []


def _known(found: dict[str, _Found], name: str) -> _Found:
    if name not in found:
        raise HTTPException(404, "no such page")
    return found[name]
