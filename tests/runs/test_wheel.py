"""The wheel alone, in an empty environment and an empty folder, can do what the README promises."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from gates import PHASES, ROOT, WIDE

pytestmark = [pytest.mark.slow, pytest.mark.lengthy, pytest.mark.timeout(900)]


def pip(python, *words):
    """Run pip of an interpreter; its output is in the failure."""
    command = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert 0 == done.returncode, done.stdout + done.stderr


def install(python, what):
    """Install the pinned versions. Python compiles the modules that are loaded; compiling all of them takes longer."""
    pip(python, "install", "--no-compile", "--constraint", str(ROOT / "constraints.txt"), what)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel that $HARNESS_TEST_WHEEL names, else one of the files that git knows, without leftovers of earlier builds."""
    if given := os.environ.get("HARNESS_TEST_WHEEL"):
        return Path(given)
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in known_files():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", str(out), str(source))
    (built,) = out.glob("*.whl")
    return built


def known_files():
    """The paths of the files in the work tree that git does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return [name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The programs of an environment with the wheel, its extra ``demo`` and nothing else."""
    environment = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / "bin" / "python"
    install(python, f"{wheel}[demo]")
    return environment / "bin"


@pytest.fixture
def call(installed, tmp_path, monkeypatch):
    """Run a program of the environment in an empty folder: its exit code and what it wrote."""
    monkeypatch.chdir(tmp_path)
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "HARNESS_", "COVERAGE_"))
    }
    clean["PATH"] = f"{installed}{os.pathsep}{clean['PATH']}"

    def run(program, *words, folder=Path()):
        done = subprocess.run(
            [installed / program, *words],
            cwd=folder,
            env=clean,
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return done.returncode, done.stdout

    return run


def test_the_wheel_has_every_file_of_the_package(wheel):
    """No template, style sheet, configuration or demo file is left out, and nothing else gets in."""
    with zipfile.ZipFile(wheel) as archive:
        packed = [name for name in archive.namelist() if ".dist-info/" not in name]
        licenses = [name for name in archive.namelist() if name.endswith("/licenses/LICENSE")]
    assert sorted(name for name in known_files() if name.startswith("harness/")) == sorted(packed)
    assert 1 == len(licenses)


def test_the_installation_is_consistent(call):
    """Every requirement of every installed package is met."""
    code, said = call("python", "-m", "pip", "check")
    assert 0 == code, said


def test_help_lists_the_commands(call):
    """The command starts."""
    code, said = call("harness", "--help")
    assert (0, True) == (code, "demo" in said and "doctor" in said), said


def test_doctor_finds_what_the_demo_needs(call):
    """Envoy and the extra come with the installation; no configuration is needed."""
    code, said = call("harness", "doctor")
    assert 0 == code, said
    assert "ok    envoy" in said
    assert "ok    demo           aiohttp" in said


def test_the_demo_finds_a_fragile_canary_in_an_empty_folder(call, tmp_path):
    """The report is below the current folder, not in the environment."""
    code, said = call("harness", "demo", "--canary", "fragile", "--fault", "abort", "--length", "6s")
    assert 1 == code, said
    assert "in the fault phase" in said
    assert 1 == len(list(tmp_path.glob("reports/*/demo-fragile-abort/report.html")))
    assert ["reports"] == [path.name for path in tmp_path.iterdir()]


def test_the_demo_rejects_no_good_canary(call):
    """A good canary passes; on a busy machine the demo may leave the decision to a person, but it never fails."""
    code, said = call("harness", "demo", "--length", "6s")
    assert code in (0, 10, 11), said
    assert "verdict  " in said


def test_the_scenarios_of_a_copy_of_the_demo_run(call, tmp_path):
    """Plain pytest runs the scenarios of a copied project to a verdict; on a busy machine that need not be a pass."""
    code, said = call("harness", "demo", "--copy", "shop")
    assert 0 == code, said
    file = tmp_path / "shop" / "harness.yaml"
    phases = {**PHASES, "steady": "1s", "fault": "1s", "recovery": "1s"}  # a verdict, whatever it is
    settings = yaml.safe_load(file.read_text()) | {"phases": phases, "objectives": WIDE}
    settings["load"]["rate"] = 100
    file.write_text(yaml.safe_dump(settings))
    code, said = call("pytest", "scenarios", folder="shop")
    assert code in (0, 10, 11), said
    assert 3 == len(list(tmp_path.glob("shop/reports/*/*/report.html"))), said


def test_the_fast_tests_pass_against_the_wheel(wheel, installed, call, tmp_path):
    """The unit tests of this checkout, with the installed package instead of the checkout's."""
    install(installed / "python", f"{wheel}[grpc,server,test]")
    # Some tests read the checkout's own configuration and pages. No module of the package is copied.
    for folder in ("tests", "docs", "loadprofiles", "harness/demo/project/istio"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "harness.yaml", "Makefile", "constraints.txt"):
        shutil.copy(ROOT / file, tmp_path)
    code, said = call("python", "-c", "import harness; print(harness.__file__)")
    assert said.startswith(str(installed.parent)), said
    code, said = call("pytest", "-q", "-n", "2", "--dist", "loadfile", "-p", "no:cacheprovider", "tests/unit")
    assert 0 == code, said
