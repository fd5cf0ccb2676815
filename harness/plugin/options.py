"""The options of the plugin, and the session that reads them."""

from __future__ import annotations

import os
import secrets
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


def add_options(parser: pytest.Parser) -> None:
    """Add the options. The name of each starts with ``--harness-``."""
    group = parser.getgroup("harness", "canary analysis under faults")
    group.addoption(
        "--harness-target",
        choices=TARGETS,
        default=None,
        help="where the service runs: on this machine or in a cluster (default: the configuration's target, else local)",
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
        help="folder for recorded runs (default: what the configuration says, reports/)",
    )
    group.addoption(
        "--harness-seed",
        metavar="N",
        type=int,
        default=None,
        help="seed of arrival times and of the load profile's random choices, not of latencies and Envoy's draws "
        "(default: a new one each time; printed, so that a run can be repeated)",
    )
    group.addoption(
        "--harness-unasked",
        choices=("fail", "warn"),
        default="fail",
        help="what a verdict does whose test neither asks for it nor fails: it counts as if the test had called "
        "require_pass() (fail, the default), or it is only shown (warn)",
    )
    group.addoption(
        "--harness-require-verdicts",
        metavar="N",
        type=int,
        default=None,
        help="refuse exit code 0 with fewer than N verdicts (default: 1 if any scenario was selected)",
    )


class Session:
    """What all tests of one pytest run share. Everything is read once, when it is first needed."""

    def __init__(self, config: pytest.Config) -> None:
        """Read nothing yet, so that a pytest run without scenarios costs nothing."""
        self._pytest = config
        self.begun: Path | None = None
        """The folder of this pytest run, once a scenario of this process has begun."""

    @cached_property
    def account(self) -> Account:
        """The verdicts and failures of this pytest run."""
        option = self._pytest.getoption
        rules = Rules(
            unasked_fails=option("--harness-unasked") == "fail",
            required=option("--harness-require-verdicts"),
            only_collected=bool(option("collectonly")),
        )
        return Account(rules)

    @property
    def target(self) -> str:
        """``local`` or ``cluster``: what the option says or, without it, the configuration. Raises ConfigError."""
        from harness import wiring

        given: str | None = self._pytest.getoption("--harness-target")
        return wiring.target(self._read, given) if given is None else given

    @property
    def described(self) -> str:
        """The line that says where scenarios run, and by which configuration and seed."""
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
        """The configuration. Raises ConfigError naming file, line and key."""
        from harness import wiring

        return wiring.for_target(self._read, self.target)

    @cached_property
    def _read(self) -> Config:
        from harness.config import read_config

        given: Path | None = self._pytest.getoption("--harness-config")
        return read_config((given or self._nearest()).absolute())

    def _nearest(self) -> Path:
        """Return the harness.yaml that is nearest to the folder in which pytest was started.

        It is looked for in that folder and above it, then in the folder of the first tests and above that.
        """
        start = self._pytest.invocation_params.dir
        tests = (start / self._pytest.args[0].split("::")[0]).absolute() if self._pytest.args else start
        folders = [start, *start.parents, tests, *tests.parents, self._pytest.rootpath]
        found = next((folder / CONFIG_NAME for folder in folders if (folder / CONFIG_NAME).is_file()), None)
        if found is None:
            raise ConfigError(
                f"expected {CONFIG_NAME} in {start} or a folder above it, or in one above the tests, found none: "
                "write one, or name it with --harness-config"
            )
        return found

    @cached_property
    def run_name(self) -> str:
        """The name of this pytest run's folder; the same in all xdist workers."""
        from harness.gate import new_run_name

        shared: str | None = getattr(self._pytest, "workerinput", {}).get("harness_run")
        return shared or new_run_name()

    @cached_property
    def folder(self) -> Path:
        """The folder of this pytest run; it has one bundle for each test."""
        given: Path | None = self._pytest.getoption("--harness-out")
        return (given or self.config.out).absolute() / self.run_name

    def begin(self) -> None:
        """Create the folder of the run with the mark of its start, before a scenario does anything else."""
        from harness.run_folder import begin_run

        begin_run(self.folder)
        self.begun = self.folder


SESSION: pytest.StashKey[Session] = pytest.StashKey()
"""Where pytest's configuration keeps the session."""

OUTCOMES: pytest.StashKey[list[Outcome]] = pytest.StashKey()
"""Where the item of a test keeps the runs that it finished."""

ATTACHED: pytest.StashKey[int] = pytest.StashKey()
"""How many of these runs are attached to a report of the test."""
