"""Every fault keeps the promises of the port, and the suite notices when a member is missing."""

from __future__ import annotations

import argparse
import ast
import importlib.util
import json
import re
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from fault_contract import ARGUMENTS, check_fault, rows
from proving import decided

import harness
from harness import wiring
from harness.cli import inject, main, plan
from harness.cli.faults import kinds
from harness.config import read_config
from harness.errors import UsageError
from harness.faults import BUILT_IN, abort, kill, known_faults
from harness.faults import timeout as timeout_function
from harness.faults.elsewhere import require_made_by
from harness.faults.port import Fault
from harness.faults.recorded import fault_document, fault_of_document
from harness.model.cluster import Limits
from harness.model.hit import HitState
from harness.runner.counts import fault_counts

SOURCE = Path(sys.modules[timeout_function.__module__].__file__ or "")


@pytest.mark.parametrize("kind", BUILT_IN, ids=lambda kind: str(kind.kind))
def test_every_built_in_fault_keeps_the_contract(kind: type[Fault]) -> None:
    """The suite checks its parser, declaration, steps, hits and texts."""
    check_fault(kind, ARGUMENTS[kind.kind])


def test_scenarios_import_every_built_in_fault_from_the_package() -> None:
    """Its function has the name of its kind; what the package merely uses cannot be imported."""
    for kind in BUILT_IN:
        assert kind is getattr(harness, kind.__name__)
        assert kind is type(kind.parse(ARGUMENTS[kind.kind]))
        assert kind.__module__ == getattr(harness, kind.kind).__module__
    for name in ("Mapping", "UsageError", "no_such_fault"):
        with pytest.raises(AttributeError, match=f"has no attribute '{name}'"):
            getattr(harness, name)


def test_completion_and_a_star_import_offer_every_fault() -> None:
    """Also those that nothing has used yet."""
    names: dict[str, object] = {}
    exec("from harness import *", names)
    for kind in BUILT_IN:
        assert {kind.kind, kind.__name__} <= {*dir(harness)} & {*names}
    assert {"Verdict", "sequence", "on_canary"} <= {*dir(harness)} & {*names}
    assert not {"import_module", "Mapping", "UsageError"} & {*names}


@pytest.mark.parametrize("kind", BUILT_IN, ids=lambda kind: str(kind.kind))
def test_a_run_notices_a_fault_of_any_kind_without_effect(kind: type[Fault]) -> None:
    """The mesh says that it is in force, and all calls pass as before: code 11, and the reason names the kind.

    What the mesh itself sees, such as a pod that is gone, cannot be said without effect: its tests are the mesh's.
    """
    fault = kind.parse(ARGUMENTS[kind.kind])
    said = fault.declared("some-7")
    reporter = "destination" if said.scope.side == "host" else "source"
    live, end = (tuple(replace(row, reporter=reporter) for row in rows(("-", total))) for total in (40, 100))
    counts = fault_counts(fault, said, phase="fault", live=live, before_removal=end, end=end, arms={})
    analysis = decided(fault, counts)
    if counts[0].state is HitState.SEEN:
        assert fault.kind in {"restart", "evict", "delete_pods", "cpu_limit", "memory_limit"}
        return
    assert 11 == analysis.verdict.exit_code
    assert fault.kind in analysis.reason


@pytest.mark.parametrize("kind", BUILT_IN, ids=lambda kind: str(kind.kind))
def test_a_mesh_that_cannot_make_a_fault_names_what_comes_closest(kind: type[Fault]) -> None:
    """Before anything is started, with a fault that this mesh can make."""
    config = read_config(Path(__file__).parents[2] / "harness.yaml")
    config = replace(config, cluster=replace(config.cluster, limits=Limits(every_caller=True)))
    for target in ("local", "cluster"):
        if kind.usage.can_use(target):
            wiring.check_faults([kind.parse(ARGUMENTS[kind.kind])], config, target=target)
            continue
        with pytest.raises(UsageError, match=f"the {target} mesh cannot inject it") as refused:
            wiring.check_faults([kind.parse(ARGUMENTS[kind.kind])], config, target=target)
        (source,) = re.findall(r"; (.*) comes closest on the", str(refused.value))
        call = ast.parse(source, mode="eval").body
        assert isinstance(call, ast.Call)
        closest = getattr(harness, ast.unparse(call.func))(
            *map(ast.literal_eval, call.args), **{one.arg: ast.literal_eval(one.value) for one in call.keywords}
        )
        assert "ratings" == closest.host
        wiring.check_faults([closest], config, target=target)


def test_a_mesh_of_another_package_makes_every_fault_that_names_no_mesh() -> None:
    """Changes of routes are the same on all of them; processes and pods are not."""
    require_made_by("containers", [abort("ratings", 503)])
    with pytest.raises(UsageError, match="the containers mesh cannot inject it, the local mesh can"):
        require_made_by("containers", [kill("ratings")])


def test_the_list_of_faults_tells_all_that_is_known_of_each_kind() -> None:
    """With an example that the command line takes."""
    parser = argparse.ArgumentParser()
    inject.add_arguments(parser)
    listed = kinds()
    for fault in BUILT_IN:
        (about,) = re.findall(rf"(?:^|\n){fault.kind} HOST.*\n((?:  .*(?:\n|$))+)", listed)
        rows = ["does", "meshes", "needs", "proof", "undo", *(["closest"] if fault.usage.closest else []), "example"]
        assert rows == re.findall(r"^  (\w+)", about, re.MULTILINE)
        words = about.rpartition("harness inject ")[2].split()
        assert fault.kind == inject.fault_of(parser.parse_args(words)).kind


def test_the_help_of_inject_has_a_line_for_each_kind(capsys: pytest.CaptureFixture[str]) -> None:
    """With its value; a kind that does not exist is wrong usage, with the one that was meant."""
    with pytest.raises(SystemExit):
        main(["inject", "--help"])
    helped = capsys.readouterr().out
    assert [] == [kind.kind for kind in BUILT_IN if f"\n   {kind.kind} {kind.usage.value}".rstrip() not in helped]
    assert "(cluster only)" in helped
    assert "(default: )" not in helped
    with pytest.raises(SystemExit):
        main(["inject", "delya", "ratings", "2s"])
    assert "did you mean 'delay'?" in capsys.readouterr().err


def test_the_list_can_be_asked_about_some_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    """A kind that does not exist is wrong usage, with the one that was meant."""
    assert 0 == main(["faults", "--list", "delay", "evict"])
    assert ["delay HOST TIME", "evict HOST PODS"] == re.findall(r"^\w+ HOST.*", capsys.readouterr().out, re.MULTILINE)
    assert 2 == main(["faults", "--list", "delay_"])
    assert "did you mean 'delay'?" in capsys.readouterr().err


@pytest.mark.parametrize("kind", BUILT_IN, ids=lambda kind: str(kind.kind))
def test_harness_plan_has_an_option_for_each_kind(kind: type[Fault]) -> None:
    """With HOST=VALUE@PERCENT, or only HOST for a fault without a value."""
    parser, asked = argparse.ArgumentParser(), ARGUMENTS[kind.kind]
    plan.add_arguments(parser)
    value = f"ratings={asked.value}" if asked.value else "ratings"
    words = [f"--{kind.kind.replace('_', '-')}", value + (f"@{asked.percent}" if asked.percent else "")]
    (text,) = vars(parser.parse_args(words))[kind.kind]
    assert kind.parse(asked) == plan._fault(text, kind.kind, kind)
    with pytest.raises(UsageError, match=f"--{kind.kind.replace('_', '-')}: expected HOST"):
        plan._fault("ratings" if asked.value else "ratings=1", kind.kind, kind)


@pytest.mark.parametrize("kind", BUILT_IN, ids=lambda kind: str(kind.kind))
def test_a_recorded_fault_can_be_injected_again(kind: type[Fault]) -> None:
    """Its document has all that it was called with."""
    fault = kind.parse(ARGUMENTS[kind.kind])
    assert fault == fault_of_document(json.loads(json.dumps(fault_document(fault))))


def members(source: str) -> list[str]:
    """Return the names of all members of a fault's class, in order."""
    return [name for node in _class_of(ast.parse(source)).body if (name := _name(node))]


def _class_of(tree: ast.Module) -> ast.ClassDef:
    return next(node for node in tree.body if isinstance(node, ast.ClassDef))


def _name(node: ast.stmt) -> str:
    if isinstance(node, ast.FunctionDef):
        return node.name
    return node.target.id if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) else ""


@contextmanager
def without(member: str, folder: Path) -> Iterator[ModuleType]:
    """Return the module of the fault with one member of its class deleted."""
    tree = ast.parse(SOURCE.read_text())
    found = _class_of(tree)
    found.body = [node for node in found.body if _name(node) != member]
    file = folder / f"without_{member.strip('_')}.py"
    file.write_text(ast.unparse(tree))
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules[file.stem]


def test_the_copy_with_everything_passes(tmp_path: Path) -> None:
    """The failures of the next test are therefore due to the missing member."""
    with without("nothing", tmp_path) as module:
        check_fault(module.Timeout, ARGUMENTS["timeout"])


@pytest.mark.parametrize("member", members(SOURCE.read_text()))
def test_a_fault_that_lacks_a_member_fails_the_contract(member: str, tmp_path: Path) -> None:
    """The author of a fault learns of each member that is missing."""
    with without(member, tmp_path) as module, pytest.raises((AssertionError, AttributeError, TypeError)):
        check_fault(module.Timeout, ARGUMENTS["timeout"])


def test_the_page_about_faults_shows_the_code_as_it_is() -> None:
    """Each method in docs/writing-a-fault.md is the real one, except for its docstring."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "writing-a-fault.md").read_text()
    shown = "\n".join(re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL))
    written = {_name(node): node for node in _class_of(ast.parse(SOURCE.read_text())).body}
    for name in ("parse", "declared", "steps", "hit", "words"):
        lines = [line.strip() for line in ast.unparse(_plain(written[name])).splitlines()]
        (found,) = re.findall(rf"    def {name}\(.*?(?=\n\n|\n```|\Z)", shown, flags=re.DOTALL)
        page_lines = [line.strip() for line in ast.unparse(ast.parse(textwrap.dedent(found))).splitlines()]
        assert [line for line in lines if line != "@classmethod"] == page_lines


def _plain(node: ast.stmt) -> ast.stmt:
    """A function without its docstring, with the flag written out."""
    assert isinstance(node, ast.FunctionDef)
    node.body = [one for one in node.body if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))]
    return ast.parse(ast.unparse(node).replace("_FLAG", "'UT'")).body[0]


PACKAGE = """
from harness.faults.timeout import Timeout

class Fault(Timeout):
    kind = {kind!r}
"""


def install(folder: Path, *, kind: str = "blink", value: str = "blinking:Fault") -> None:
    """Write a distribution with one fault, as pip would install it."""
    (folder / "blinking.py").write_text(PACKAGE.format(kind=kind))
    facts = folder / "blinking-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: blinking\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[canary_harness.faults]\nblink = {value}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in which Python finds packages."""
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("blinking", None)


def test_a_fault_of_another_package_is_found_by_its_entry_point(site: Path) -> None:
    """Its kind is known next to ours, so the command line accepts it too."""
    assert "blink" not in known_faults()
    install(site)
    known = known_faults()
    assert [*[kind.kind for kind in BUILT_IN], "blink"] == list(known)
    assert "blink(" not in str(known["timeout"].parse(ARGUMENTS["timeout"]))


@pytest.mark.parametrize("kind", ["delay", "split"])
def test_a_name_that_is_taken_is_refused(site: Path, kind: str) -> None:
    """A name of a fault or of an arrangement cannot be used again, because limits and proofs depend on it."""
    install(site, kind=kind)
    with pytest.raises(UsageError, match=f"the name '{kind}' of its fault is taken"):
        known_faults()


@pytest.mark.parametrize("value", ["nowhere:Fault", "blinking:Nothing"])
def test_a_package_that_cannot_be_loaded_is_named(site: Path, value: str) -> None:
    """The error has its entry point and the reason."""
    install(site, value=value)
    with pytest.raises(UsageError, match=f"blink = {value}: expected a fault"):
        known_faults()
