"""Write the reference pages from the code, so that they cannot differ from it. ``docs/conf.py`` calls this."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from inspect import getdoc
from pathlib import Path

from harness import bundle, errors
from harness.cli import COMMANDS, full_parser
from harness.faults import known_faults
from harness.judge.indicators import BUILT_IN
from harness.model.exit_codes import EXIT_CODES, INTERRUPTED
from harness.model.hops import Hop
from harness.model.load import LoadReport
from harness.model.phase import Phase, PhasePlan
from harness.model.record import Event, FaultCount, Plan, Rollback, Series
from harness.model.samples import Samples
from harness.model.spans import Span
from harness.model.verdict import Analysis, Finding, Proof, Verdict
from harness.plugin.account import CODES, USAGE, Account, Rules
from harness.plugin.junit_states import STATES

_RECORDED: tuple[tuple[str, type], ...] = (
    ("plan.json", Plan), ("plan.json", PhasePlan), ("facts.json", Phase), ("facts.json", LoadReport),
    ("facts.json", FaultCount), ("facts.json", Rollback), ("facts.json", Series), ("timeline.ndjson", Event),
    ("samples.parquet", Samples), ("hops.ndjson", Hop), ("spans.ndjson", Span), ("analysis.json", Analysis),
    ("analysis.json", Finding), ("analysis.json", Proof),
)  # fmt: skip


def write_reference(folder: Path) -> None:
    """Write one page each for commands, pytest, indicators, faults, the format of bundles, and errors."""
    folder.mkdir(exist_ok=True)
    for name, page in {
        "commands": commands(), "pytest": pytest_surface(), "indicators": indicators(), "faults": faults(),
        "bundle-format": bundle_format(), "errors": raised(),
    }.items():  # fmt: skip
        (folder / f"{name}.md").write_text(page, encoding="utf-8")


def commands() -> str:
    """The help of every command, as the command prints it."""
    os.environ["COLUMNS"] = "100"
    parser = full_parser()
    groups = (action.choices for action in parser._actions)  # noqa: SLF001 - argparse shows its commands nowhere else
    commands = next(choices for choices in groups if isinstance(choices, dict))
    pages = [f"# Commands\n\n```text\n{parser.format_help()}```\n"]
    for name, summary in COMMANDS.items():
        about = summary[0].upper() + summary[1:]
        pages.append(f"## harness {name}\n\n{about}.\n\n```text\n{commands[name].format_help()}```\n")
    return "\n".join(pages)


def pytest_surface() -> str:
    """The options and fixtures of the pytest plugin, as pytest shows them."""
    options = _pytest("--help")
    group = re.search(r"^canary analysis.*:\n(?:  .*\n)*", options, re.MULTILINE)
    fixtures = _pytest("--fixtures", "-q")
    ours = re.split(r"^-+ .*harness\.plugin\.fixtures -+$", fixtures, flags=re.MULTILINE)[1]
    ours = re.split(r"^-+ .* -+$|^no tests ran", ours, flags=re.MULTILINE)[0]
    ours = re.sub(r" -- \S+$", "", ours, flags=re.MULTILINE)  # where it is defined
    if group is None:
        raise RuntimeError(f"expected the options of the plugin in pytest --help, found:\n{options[-2000:]}")
    return (
        "# The pytest plugin\n\n## Options\n\n```text\n" + group[0].rstrip() + "\n```\n\n## Fixtures\n\n```text\n"
        + ours.strip() + "\n```\n\n`pytest --fixtures` prints this too.\n"
    )  # fmt: skip


def indicators() -> str:
    """Every indicator: how it is written, its unit, and which direction is worse."""
    rows = []
    for one in BUILT_IN:
        spec = one.spec
        worse = " or ".join(direction.value for direction in spec.worse)
        about = (sys.modules[type(one).__module__].__doc__ or "").strip().splitlines()[0]
        about = about.partition(": ")[2] or about
        cells = (f"`{spec.names}`", about[0].upper() + about[1:], spec.unit.value, worse, f"`{spec.example}`")
        rows.append(f"| {' | '.join(cells)} |")
    head = "| indicator | meaning | unit | worse | tolerance, for example |\n|---|---|---|---|---|\n"
    return (
        "# Indicators\n\nAn objective is an indicator, an operator and a tolerance; "
        "see [objectives](../objectives.md).\n\n"
        + head + "\n".join(rows) + "\n"
    )  # fmt: skip


def faults() -> str:
    """Every fault: how it is written in scenarios and on the command line."""
    parts = [
        "# Faults\n\nA fault is one file; [writing a fault](../writing-a-fault.md) adds another. `harness faults "
        "--list` prints the kinds that are installed. A run notices a fault that has no effect: it is then "
        "inconclusive (code 11), and the reason names the fault.\n",
        "| kind | what it does | meshes | what comes closest elsewhere | what proves that it hit | "
        "what it needs | undo |\n|---|---|---|---|---|---|---|",
    ]
    for kind, fault in known_faults().items():
        usage = fault.usage
        closest = f"`{usage.closest.replace('HOST', 'ratings')}`" if usage.closest else ""
        cells = (f"`{kind}`", usage.help, usage.where, closest, usage.signal, usage.needs, usage.undo)
        parts[-1] += f"\n| {' | '.join(cells)} |"
    parts[-1] += "\n"
    for kind, fault in known_faults().items():
        about = (getdoc(fault) or "").partition("\n\n")
        parts.append(f"## {kind}\n\n{about[0]}\n\n{about[2]}\n".rstrip() + "\n")
        function = getattr(sys.modules[fault.__module__], kind, None)
        if function is not None:
            parts.append(f"```text\n{kind}: {getdoc(function)}\n```\n")
    return "\n".join(parts)


def exit_codes() -> str:
    """The table of exit codes in ``exit-codes.md``, and which one decides. A test compares the page with it."""
    rows = [f"| {one.code} | {one.name}: {one.meaning} | {one.pipeline} |" for one in EXIT_CODES]
    order = ", ".join(map(str, (INTERRUPTED, *CODES.values(), Verdict.PASS.exit_code)))
    return (
        "| code | meaning | the pipeline |\n|---:|---|---|\n" + "\n".join(rows)
        + f"\n\nIf a run has several outcomes, the first in this order decides: {order}.\n"
    )  # fmt: skip


def pytest_codes() -> str:
    """What becomes of pytest's own exit codes, as the account of a session computes it. A test compares the page."""
    alone, required = Account(Rules()), Account(Rules(required=1))
    with_scenario = Account(Rules())
    with_scenario.begin("scenario")
    said = {
        "1, tests failed": "the code of the worst outcome; "
        f"{with_scenario.code(1)} if another plugin failed the session",
        "2, interrupted": f"{INTERRUPTED} for Ctrl-C and signals, {CODES[USAGE]} for files that cannot be imported, "
        f"{with_scenario.code(2)} if something else stopped the session",
        "3, internal error": f"{with_scenario.code(3)}",
        "4, wrong arguments": f"{alone.code(4)} from `pytest`, because no session has started; "
        f"{errors.UsageError.exit_code} from `harness run`",
        "5, nothing collected": f"{alone.code(5)} from `pytest`; {required.code(5)} from `harness run` and with "
        "`--harness-require-verdicts`",
        "6, too many warnings": f"{with_scenario.code(6)}",
    }
    return "| pytest | in a session with scenarios |\n|---|---|\n" + "".join(
        f"| {name} | {code} |\n" for name, code in said.items()
    )


def junit_states() -> str:
    """Which outcome becomes which element of JUnit XML, and why. A test compares the page with it."""
    why = {
        "failure": "the canary is worse",
        "skipped": "nothing was shown to be wrong; the message says what is missing, and the exit code keeps the job "
        "from passing",
        "error": "somebody has to fix the set-up; Jenkins and GitLab count errors apart from failures or next to them",
    }
    names = {USAGE: "wrong usage"}
    rows = ["| pass | none | |"]
    for state, reason in why.items():
        kinds = [kind for kind in STATES if STATES[kind] == state]
        elements = ", ".join(f'`<{state} type="harness.{kind}">`' for kind in kinds)
        rows.append(f"| {', '.join(names.get(kind, kind) for kind in kinds)} | {elements} | {reason} |")
    return "| outcome | state in JUnit XML | why |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def raised() -> str:
    """Every error with the exit code that it leads to, as the tree in ``harness.errors`` draws them."""
    rows = [
        f"| `{kind.__name__}` | {(getdoc(kind) or '').splitlines()[0]} | {kind.exit_code} |"
        for base in (errors.HarnessError, errors.CanaryFinding)
        for kind in _tree(base)
    ]
    return (
        "# Errors\n\nWhat the fixtures and commands raise. A `HarnessError` is trouble of ours, a `CanaryFinding` says "
        "something about the service; [exit codes](../exit-codes.md) says what a pipeline does about each.\n\n"
        "| error | when | exit code |\n|---|---|---:|\n" + "\n".join(rows) + "\n"
    )


def _tree(kind: type[errors.HarnessError | errors.CanaryFinding]) -> Iterator[type]:
    yield kind
    for inner in kind.__subclasses__():
        if inner.__module__ == errors.__name__:
            yield from _tree(inner)


def bundle_format() -> str:
    """The files of a bundle, and the fields of the values in them."""
    files = re.search(r"(?:^    .*\n)+", getdoc(bundle) or "", re.MULTILINE)
    if files is None:
        raise RuntimeError("expected the list of files in the documentation of harness.bundle, found none")
    parts = [
        f"# The format of bundles\n\nFormat version {bundle.FORMAT_VERSION}; versions "
        f"{', '.join(map(str, bundle.READ_VERSIONS))} can be read, others are refused.\n",
        f"```text\n{files[0].rstrip()}\n```\n",
        "Values are JSON: tuples are lists, enumerations are texts, and numbers that JSON lacks are the texts `NaN`, "
        "`Infinity` and `-Infinity`. Times are seconds from the first due request unless their name says otherwise.\n",
    ]
    return "\n".join([*parts, *(_fields(file, kind) for file, kind in _RECORDED)])


def _fields(file: str, kind: type) -> str:
    """The fields of one kind of value, with their types."""
    about = "\n\n".join((getdoc(kind) or "").split("\n\n"))
    rows = [f"| `{field.name}` | `{str(field.type).replace('|', 'or')}` |" for field in dataclasses.fields(kind)]
    table = "\n".join(["| field | type |", "|---|---|", *rows])
    return f"## {kind.__name__}, in {file}\n\n```text\n{about}\n```\n\n{table}\n"


def _pytest(*options: str) -> str:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options]
    environment = {**os.environ, "COLUMNS": "100"}
    folder = Path(__file__).parent / "reference"
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return ended.stdout
