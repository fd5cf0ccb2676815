"""What the package promises about itself: its demo project, its dependencies and its metadata."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from harness.demo import PROJECT

ROOT = Path(__file__).parents[2]
METADATA = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SHIPPED = sorted(
    str(path.relative_to(PROJECT))
    for folder in ("loadprofiles", "scenarios")
    for path in (PROJECT / folder).glob("*.py")
)


def names(requirements):
    """The normalised names of distributions in a list of requirements."""
    return {normalised(re.split(r"[<>=!\[; ]", text)[0]) for text in requirements}


def normalised(name):
    """A distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(folder, *, without=()):
    """The distributions of other people that modules in a folder import, each with one of the modules."""
    providers = packages_distributions()
    found = {}
    for path in sorted(folder.rglob("*.py")):
        if any(part in path.relative_to(folder).parts for part in without):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                modules = [node.module]
            for top in {module.split(".")[0] for module in modules} - set(sys.stdlib_module_names) - {"harness"}:
                found[normalised(providers[top][0])] = path.relative_to(ROOT)
    return found


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_file_equals_the_one_at_the_top_level(name):
    """The package's copy of a load profile or scenario is the file that a clone shows; copy it after a change."""
    assert (ROOT / name).read_text() == (PROJECT / name).read_text()


def test_every_scenario_is_shipped():
    """A new scenario at the top level is copied into the package too."""
    assert sorted(path.name for path in (ROOT / "scenarios").glob("test_*.py")) == sorted(
        path.name for path in (PROJECT / "scenarios").glob("test_*.py")
    )


def test_the_shipped_configuration_differs_in_paths_only():
    """The package's harness.yaml is the top level's, except for the paths of the schema and of the Istio resources."""
    modeline, _, text = (ROOT / "harness.yaml").read_text().partition("\n")
    expected = text.replace("[harness/demo/project/istio/", "[istio/")
    assert "# yaml-language-server: $schema=harness/config/harness.schema.json" == modeline
    assert expected == (PROJECT / "harness.yaml").read_text()


def test_every_import_is_a_declared_dependency():
    """No module imports a package that only another dependency happens to bring."""
    hard = names(METADATA["dependencies"])
    missing = {
        name: str(path)
        for name, path in imported(ROOT / "harness", without=("demo", "server")).items()
        if name not in hard
    }
    assert {"grpcio": "harness/load/users/grpc.py"} == missing  # the extra ``grpc``; nothing in the harness imports it
    assert {"grpcio"} == names(METADATA["optional-dependencies"]["grpc"])


def test_the_extra_demo_has_what_only_the_demo_imports():
    """The demo's own packages are in the extra ``demo``, and nothing else is."""
    demo, hard = names(METADATA["optional-dependencies"]["demo"]), names(METADATA["dependencies"])
    assert demo == set(imported(ROOT / "harness" / "demo", without=("project",))) - hard


def test_the_extra_server_has_what_only_the_server_imports():
    """A plain installation has no web server."""
    server, hard = names(METADATA["optional-dependencies"]["server"]), names(METADATA["dependencies"])
    assert server == set(imported(ROOT / "harness" / "server")) - hard


def test_packages_of_the_main_job_are_hard_dependencies():
    """A plain installation can run scenarios: no extra is needed for them."""
    needed = {"pytest", "kubernetes", "locust", "scipy", "prometheus-api-client", "pytest-html"}
    assert needed <= names(METADATA["dependencies"])


def test_every_dependency_is_pinned():
    """constraints.txt pins each direct dependency, also those of the extras."""
    pinned = names((ROOT / "constraints.txt").read_text().splitlines())
    extras = [text for extra in METADATA["optional-dependencies"].values() for text in extra]
    assert set() == names([*METADATA["dependencies"], *extras]) - pinned - {METADATA["name"]}
