"""Find the commit that made a recorded run fail, with git bisect and a replay as its test.

git bisect runs in a bare clone in a temporary folder, which shares the objects of the repository, so neither the
checkout nor the refs of the user are touched. Each commit is written to a folder of its own and built there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from harness.errors import BuildError, CannotReplay, UsageError
from harness.model.config import Config
from harness.printable import printable
from harness.release.revisions import checked_out, commit_of
from harness.scratch import scratch

_GIT_S = 120.0
_FIRST_BAD = re.compile(r"^([0-9a-f]{40,64}) is the first bad commit", re.MULTILINE)


class Mark(StrEnum):
    """What git bisect is told about a commit."""

    GOOD = "good"
    BAD = "bad"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Culprit:
    """The first bad commit. tests: how many commits were tested."""

    commit: str
    subject: str
    tests: int


def parse_range(text: str) -> tuple[str, str]:
    """Return both ends of ``GOOD..BAD``. Raises UsageError for anything else."""
    good, dots, bad = text.partition("..")
    if not dots or not good or not bad or bad.startswith("."):
        raise UsageError(f"--bisect: expected GOOD..BAD, such as v1.3..HEAD, found {text!r}")
    return good, bad


def first_bad(
    root: Path,
    revisions: tuple[str, str],
    *,
    build: Sequence[str],
    test: Callable[[Path, str], Mark],
    tell: Callable[[str], None],
) -> Culprit:
    """Return the first commit after the good one for which ``test`` says bad.

    root: the folder of harness.yaml, in a repository. build: run in the files of each commit. test: gets the folder
    with these files, and the commit. A commit that cannot be built is skipped, but the bad one must be. Raises
    UsageError for revisions between which there is nothing to find, CannotReplay if too many commits were skipped. If
    all tests agree, the answer rests on one end of the range alone, so that end is tested too: CannotReplay if it is
    not what it was said to be.
    """
    good, bad = (commit_of(root, one) for one in revisions)
    with scratch("harness-bisect-") as folder:
        (builds := folder / "builds").mkdir()
        try:
            checked_out(root, bad, builds / bad, build=build, tell=tell)
        except BuildError as error:
            raise CannotReplay(f"the bad commit cannot be built, so nothing can be bisected: {error}") from error
        clone = folder / "state.git"
        _git(root, "clone", "--quiet", "--bare", "--shared", str(_top(root)), str(clone))

        def attempt(commit: str) -> Mark:
            mark = _tested(root, commit, builds / commit, build=build, test=test, tell=tell)
            tell(f"{commit[:12]} {_subject(clone, commit)}: {mark}")
            return mark

        between = int(_git(clone, "rev-list", "--count", f"{good}..{bad}"))
        tell(f"{between} commits after the good one: about {max(between - 1, 1).bit_length()} replays")
        found, marks = _searched(clone, good, bad, attempt)
        for end, expected in ((good, Mark.GOOD), (bad, Mark.BAD)):
            if expected not in marks:
                marks.append(attempt(end))
                if marks[-1] is not expected:
                    raise CannotReplay(f"{end}: expected the {expected} end of the range, found {marks[-1]}")
        return Culprit(commit=found, subject=_subject(clone, found), tests=len(marks) - marks.count(Mark.SKIP))


def _searched(clone: Path, good: str, bad: str, attempt: Callable[[str], Mark]) -> tuple[str, list[Mark]]:
    """Return the first bad commit as git bisect finds it, and what each tested one was marked as."""
    marks: list[Mark] = []
    said = _git(clone, "bisect", "start", "--no-checkout", bad, good)
    while (found := _FIRST_BAD.search(said)) is None:
        marks.append(attempt(_git(clone, "rev-parse", "--verify", "BISECT_HEAD").strip()))
        said = _git(clone, "bisect", marks[-1])
    return found[1], marks


def _tested(
    root: Path,
    commit: str,
    folder: Path,
    *,
    build: Sequence[str],
    test: Callable[[Path, str], Mark],
    tell: Callable[[str], None],
) -> Mark:
    """Build a commit in a folder and test it; one that cannot be built is skipped. The folder is removed afterwards."""
    try:
        checked_out(root, commit, folder, build=build, tell=tell)
    except BuildError as error:
        tell(str(error))
        return Mark.SKIP
    try:
        return test(folder, commit)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def canary_from(config: Config, version: str, folder: Path) -> Config:
    """Return the configuration with a version of the service under test in another folder.

    Paths of the folder of harness.yaml lead to the other folder too.
    """
    service, root = config.services[config.service], str(config.root)
    canary = config.workload(config.service, version)
    moved = replace(
        canary,
        command=None if canary.command is None else tuple(_moved(word, root, str(folder)) for word in canary.command),
        env={name: _moved(value, root, str(folder)) for name, value in canary.env.items()},
        folder=folder,
    )
    services = {**config.services, service.name: replace(service, versions={**service.versions, version: moved})}
    return replace(config, services=services)


def _moved(word: str, root: str, folder: str) -> str:
    return folder + word[len(root) :] if word == root or word.startswith(f"{root}/") else word


def _top(folder: Path) -> Path:
    return Path(_git(folder, "rev-parse", "--show-toplevel").strip())


def _subject(clone: Path, commit: str) -> str:
    return printable(_git(clone, "log", "-1", "--format=%s", commit).strip())


def _git(folder: Path, *words: str) -> str:
    env = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            [shutil.which("git") or "git", *words],
            cwd=folder, capture_output=True, text=True, errors="replace", timeout=_GIT_S, check=False, env=env,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"--bisect: git cannot be run: {error}") from error
    if done.returncode:
        why = printable(f"{done.stderr}\n{done.stdout}").strip()
        if words[0] == "bisect" and "skip" in why:
            raise CannotReplay(f"--bisect: too many commits decided nothing: {why}")
        raise UsageError(f"git {' '.join(words[:2])}: {why}")
    return done.stdout
