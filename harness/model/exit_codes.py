"""Explain the exit codes of the commands, and what a pipeline does about them."""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import HarnessError, UsageError
from harness.model.verdict import Verdict

INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitCode:
    """One exit code. name: in one or two words. pipeline: what comes next."""

    code: int
    name: str
    meaning: str
    pipeline: str


EXIT_CODES = (
    ExitCode(
        code=Verdict.PASS.exit_code, name="pass", meaning="every verdict is pass, and there is at least one",
        pipeline="promotes",
    ),
    ExitCode(
        code=Verdict.FAIL.exit_code, name="fail",
        meaning="the canary was shown to be worse, or an assertion of a scenario failed", pipeline="rejects",
    ),
    ExitCode(
        code=UsageError.exit_code, name="wrong usage",
        meaning="a mistake in harness.yaml, in an argument, or in a scenario file that cannot be imported",
        pipeline="a person fixes it",
    ),
    ExitCode(
        code=Verdict.MARGINAL.exit_code, name="marginal", meaning="worse, but not shown to exceed the tolerance",
        pipeline="a person decides",
    ),
    ExitCode(
        code=Verdict.INCONCLUSIVE.exit_code, name="inconclusive", meaning="too little evidence, or a proof failed",
        pipeline="a person decides",
    ),
    ExitCode(
        code=HarnessError.exit_code, name="no verdict",
        meaning="the harness, its environment or the scenario's own code is in trouble, or nothing was judged",
        pipeline="a person fixes it",
    ),
    ExitCode(
        code=INTERRUPTED, name="interrupted",
        meaning="by Ctrl-C or a signal; every change was reverted, and the output lists them", pipeline="runs it again",
    ),
)  # fmt: skip
