"""Define the pytest options of the plugin, and the session that reads them."""

from __future__ import annotations

import os
import secrets
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.errors import ConfigError
from harness.mesh.targets import TARGETS
from harness.plugin.account import Account, Rules

if TYPE_CHECKING:
    from harness.config import Config
    from harness.gate import Outcome

CONFIG_NAME = "harness.yaml"
_COLLECTING = ("collectonly", "showfixtures", "show_fixtures_per_test", "--harness-plan")
"""The options of pytest with which no test is to run."""


def add_options(parser: pytest.Parser) -> None:
    """Add the options. Every name starts with ``--harness-``."""
    group = parser.getgroup("harness", "canary analysis under faults")
    group.addoption(
        "--harness-target",
        choices=TARGETS,
        default=None,
        help="where to run the service: on this machine or in a cluster (default: the configuration's, else local)",
    )
    group.addoption(
        "--harness-config",
        metavar="FILE",
        type=Path,
        default=None,
        help="configuration file (default: harness.yaml in this folder or above)",
    )
    group.addoption(
        "--harness-out",
        metavar="DIR",
        type=Path,
        default=None,
        help="folder for recorded runs (default: the configuration's, else reports/)",
    )
    group.addoption(
        "--harness-seed",
        metavar="N",
        type=int,
        default=None,
        help="seed of arrival times and of the load profile's random choices, but not of latencies and Envoy's choices "
        "(default: a new one each time, printed so that you can repeat the run)",
    )
    _add_verdict_options(group)
    _add_ci_options(group)


def _add_ci_options(group: pytest.OptionGroup) -> None:
    group.addoption(
        "--harness-comment",
        metavar="FILE",
        type=Path,
        default=None,
        help="write all verdicts as Markdown, for a comment on a pull request that CI creates and updates",
    )
    group.addoption(
        "--harness-gitlab",
        metavar="DIR",
        type=Path,
        default=None,
        help="write GitLab's code quality report and metrics report to this folder",
    )
    group.addoption(
        "--harness-plan",
        action="store_true",
        default=False,
        help="start nothing and send nothing: list the phases, the requests and the smallest visible effect of each "
        "scenario",
    )


def _add_verdict_options(group: pytest.OptionGroup) -> None:
    group.addoption(
        "--harness-unasked",
        choices=("fail", "warn"),
        default="fail",
        help="how to treat a verdict if its test neither asks for it nor fails: as if the test had called "
        "require_pass() (fail, the default), or only show it (warn)",
    )
    group.addoption(
        "--harness-require-verdicts",
        metavar="N",
        type=int,
        default=None,
        help="do not exit with code 0 after fewer than N verdicts (default: 1 if any scenario was selected)",
    )


class Session:
    """Holds what all tests of one pytest run share. Each value is read once, when it is first needed."""

    def __init__(self, config: pytest.Config) -> None:
        """Read nothing yet, so that a pytest run without scenarios costs nothing."""
        self._pytest = config
        self.begun: Path | None = None
        """The folder of this pytest run, once a scenario of this process has begun."""
        self._work = ExitStack()

    @property
    def plans_only(self) -> bool:
        """Whether scenarios are only to be planned."""
        return bool(self._pytest.getoption("--harness-plan"))

    @cached_property
    def account(self) -> Account:
        """The verdicts and failures of this pytest run."""
        option = self._pytest.getoption
        rules = Rules(
            unasked_fails=option("--harness-unasked") == "fail",
            required=option("--harness-require-verdicts"),
            only_collected=any(option(name, default=False) for name in _COLLECTING),
        )
        return Account(rules)

    @property
    def target(self) -> str:
        """The target that the option or else the configuration names: ``local`` or ``cluster``. Raises ConfigError."""
        from harness import wiring

        given: str | None = self._pytest.getoption("--harness-target")
        return wiring.target(self._read, given) if given is None else given

    @property
    def described(self) -> str:
        """The line that says where scenarios run, and with which configuration and seed."""
        from harness import wiring

        return f"{wiring.described(self._read, self.target)}, {os.path.relpath(self._read.file)}, seed {self.seed}"

    @cached_property
    def seed(self) -> int:
        """The given seed, or a random one for this pytest run; the same in all xdist workers."""
        given: int | None = self._pytest.getoption("--harness-seed")
        if given is not None:
            return given
        shared = getattr(self._pytest, "workerinput", {}).get("harness_seed")
        return int(shared) if shared is not None else secrets.randbelow(2**31)

    @cached_property
    def config(self) -> Config:
        """The configuration. Raises ConfigError that names the file, the line and the key."""
        from harness import wiring

        return wiring.for_target(self._read, self.target)

    @cached_property
    def _read(self) -> Config:
        from harness.config import read_config

        given: Path | None = self._pytest.getoption("--harness-config")
        return read_config((given or self._nearest()).absolute())

    def _nearest(self) -> Path:
        """Return the harness.yaml that is nearest to the folder in which pytest was started.

        Search that folder and its parents, then the folder of the first tests and its parents.
        """
        start = self._pytest.invocation_params.dir
        tests = (start / self._pytest.args[0].split("::")[0]).absolute() if self._pytest.args else start
        folders = [start, *start.parents, tests, *tests.parents, self._pytest.rootpath]
        found = next((folder / CONFIG_NAME for folder in folders if (folder / CONFIG_NAME).is_file()), None)
        if found is None:
            raise ConfigError(
                f"expected {CONFIG_NAME} in {start} or a folder above it, or in one above the tests, found none: "
                "run harness init to write one, or name one with --harness-config"
            )
        return found

    @cached_property
    def run_name(self) -> str:
        """The name of this pytest run's folder; the same in all xdist workers."""
        from harness.model.names import new_run_id

        shared: str | None = getattr(self._pytest, "workerinput", {}).get("harness_run")
        return shared or new_run_id()

    @cached_property
    def folder(self) -> Path:
        """The folder of this pytest run, with one bundle for each test."""
        given: Path | None = self._pytest.getoption("--harness-out")
        return (given or self.config.out).absolute() / self.run_name

    def begin(self) -> None:
        """Create the folder of the run with the mark of its start, before a scenario does anything else."""
        if self.plans_only:
            return
        from harness.run_folder import working_on

        if self.begun is None:
            self._work.enter_context(working_on(self.folder))
            self.begun = self.folder

    def end(self) -> None:
        """Let readers see that this process no longer works on the run."""
        self._work.close()


SESSION: pytest.StashKey[Session] = pytest.StashKey()
"""The key of the session in pytest's configuration."""

OUTCOMES: pytest.StashKey[list[Outcome]] = pytest.StashKey()
"""The key of a test item's finished runs."""

ATTACHED: pytest.StashKey[int] = pytest.StashKey()
"""The key of the number of these runs that are attached to a report of the test."""
