"""Misspelt names are found before anything starts, and the message suggests the right name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import delay, gate, wiring
from harness.cli import main
from harness.config import Config, read_config
from harness.errors import UsageError
from harness.load.planning.endpoints import endpoints_of
from harness.mesh.local import start_local_mesh
from harness.model.units import parse_percent

SERVICES = """\
services:
  ratings: {command: ["{python}", ratings.py, "{port}"], versions: {v1: }}
  reviews: {calls: {RATINGS_URL: ratings}, command: ["{python}", reviews.py, "{port}"], versions: {v1: , v2: }}
"""
PROFILE = """\
from locust import FastHttpUser, task
class Reader(FastHttpUser):
    @task
    def read(self):
        self.client.get("/reviews/1", name="/reviews")
        self.client.post("/login")
"""


def project(folder: Path, more: str = "", services: str = SERVICES) -> Path:
    """A user's project in ``folder``; ``more`` is added to its harness.yaml."""
    (folder / "loadprofiles").mkdir(exist_ok=True)
    (folder / "loadprofiles" / "browse.py").write_text(PROFILE)
    for script in ("ratings.py", "reviews.py"):
        (folder / script).write_text("")
    file = folder / "harness.yaml"
    file.write_text(f"service: reviews\narms: {{baseline: v1, canary: v2}}\n{services}{more}")
    return file


def checked(config: Config, **given: object) -> str:
    """The message about a scenario of the configuration, which is checked but not run."""
    with pytest.raises(UsageError) as raised:
        gate.check_scenario(wiring.scenario(config, name="typo", seed=1, **given), config, target="local")
    return str(raised.value)


@pytest.mark.parametrize("value", [0.5, "0.5", " .25 ", 1e-9])
def test_a_percentage_below_one_without_a_percent_sign_is_refused(value: object) -> None:
    """It could mean half a percent or a half; the message shows both spellings."""
    with pytest.raises(UsageError, match=r"write \S+% or \S+%"):
        parse_percent(value)


@pytest.mark.parametrize(("value", "ratio"), [("0.5%", 0.005), (0, 0.0), ("0", 0.0), (1, 0.01), ("50 %", 0.5)])
def test_a_percentage_that_has_one_meaning_is_read(value: object, ratio: float) -> None:
    """The meaning is clear with a percent sign, and for a number of at least one."""
    assert ratio == parse_percent(value)


def test_half_a_percent_as_a_split_is_refused_with_both_spellings(tmp_path: Path) -> None:
    """The message has file, line and key."""
    with pytest.raises(UsageError, match=r"harness\.yaml:6: split: .*0\.5.* write 0\.5% or 50%"):
        read_config(project(tmp_path, "split: 0.5\n"))


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("[pyhton3, reviews.py, '{port}']", "expected a program that can be run, found 'pyhton3'"),
        ("['{python}', review.py, '{port}']", "expected a script in {root}, found no file 'review.py', did you mean 'reviews.py'?"),
        ("['{python}', -u, gone/app.py, '{port}']", "found no file 'gone/app.py'"),
        ("[./reviews, '{port}']", "found './reviews'"),
        ("['{python}', -m, harness.demo.reveiws, --port, '{port}']", "no module 'harness.demo.reveiws', did you mean 'harness.demo.reviews'?"),
    ],
)  # fmt: skip
def test_a_command_that_does_not_exist_is_found_before_anything_starts(
    tmp_path: Path, command: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message has file, line and key of the command."""
    monkeypatch.delenv("PYTHONPATH", raising=False)  # a module may be there, so none would be looked for
    services = SERVICES.replace("versions: {v1: , v2: }", f"versions: {{v1: , v2: {{command: {command}}}}}")
    config = read_config(project(tmp_path, services=services))
    found = checked(config)
    assert "harness.yaml:5: services.reviews.versions.v2.command" in found
    assert message.replace("{root}", str(tmp_path)) in found
    with pytest.raises(UsageError) as raised, start_local_mesh(config, tmp_path / "logs"):
        pass
    assert found == str(raised.value)


@pytest.mark.parametrize(
    "command",
    [
        "['{python}', -c, 'pass', '{port}']",
        "['{python}', -u, ratings.py, '{port}']",
        "[ratings.sh, '{port}']",
        "['{python}', -m, http.server, '{port}']",
        "['{python}', -m, ratings, '{port}']",
        "[sh, -c, 'exec whatever {port}']",
        "[env, A=1, sh, '{port}']",
    ],
)
def test_commands_that_may_exist_are_accepted(tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts and programs are looked up where they would be started."""
    services = SERVICES.replace('["{python}", ratings.py, "{port}"]', command)
    file = project(tmp_path, services=services)
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "ratings.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    config = read_config(file)
    gate.check_scenario(wiring.scenario(config, name="typo", seed=1), config, target="local")


def test_an_unknown_host_of_a_fault_is_refused_with_the_name_that_was_meant(tmp_path: Path) -> None:
    """The local mesh knows every service."""
    found = checked(read_config(project(tmp_path)), faults=[delay("ratigns", "1s")])
    assert "found 'ratigns', did you mean 'ratings'?" in found


def test_an_unknown_profile_is_refused_with_the_name_that_was_meant(tmp_path: Path) -> None:
    """This holds for harness.yaml as well as for a scenario."""
    assert "did you mean 'browse'?" in checked(read_config(project(tmp_path, "load: {profile: brows}\n")))


def test_an_endpoint_that_no_request_has_is_refused(tmp_path: Path) -> None:
    """The profile is read, but not imported, to find the names of its requests."""
    config = read_config(project(tmp_path, 'objectives: ["error_rate{endpoint=/review} < +1pp"]\n'))
    found = checked(config)
    assert "error_rate{endpoint=/review} < +1pp: expected an endpoint that the load profile browse sends" in found
    assert "found '/review', did you mean '/reviews'?; known: /login, /reviews" in found
    good = read_config(project(tmp_path, 'objectives: ["error_rate{endpoint=/login} < +1pp"]\n'))
    gate.check_scenario(wiring.scenario(good, name="typo", seed=1), good, target="local")


@pytest.mark.parametrize(
    "line",
    [
        'self.client.get(f"/reviews/{self.number}")',
        'self.client.get("/a", name=self.title)',
        'self.client.get("/a", **self.options)',
        "self.environment.events.request.fire(name=self.title)",
        'with self.client.rename_request("/other"): pass',
        "send(self.client)",
    ],
)
def test_endpoints_of_a_profile_that_computes_names_are_unknown(tmp_path: Path, line: str) -> None:
    """An objective for such an endpoint is not refused."""
    file = tmp_path / "computed.py"
    file.write_text(f"{PROFILE}        {line}\n")
    assert endpoints_of(file) is None


@pytest.mark.parametrize("name", ["browse", "ramp", "shop", "spike"])
def test_the_shipped_profiles_have_known_endpoints(name: str) -> None:
    """Each profile names every request that it sends."""
    found = endpoints_of(Path(__file__).parents[2] / "loadprofiles" / f"{name}.py")
    assert found


def test_profiles_with_code_from_elsewhere_have_unknown_endpoints(tmp_path: Path) -> None:
    """Requests of another file are not known, and a broken profile is reported by Locust."""
    file = tmp_path / "other.py"
    file.write_text("from shared import Reader\n" + PROFILE)
    assert endpoints_of(file) is None
    file.write_text("class:")
    assert endpoints_of(file) is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["plan", "--delay", "ratigns=2s"], "did you mean 'ratings'?"),
        (["plan", "--abort", "reveiws=503@20"], "did you mean 'reviews'?"),
        (["inject", "delay", "ratigns", "2s"], "did you mean 'ratings'?"),
        (["inject", "delay", "ratings", "2s", "--from", "reveiws"], "did you mean 'reviews'?"),
        (["plan", "--delay", "ratings=2s@0.5"], "write 0.5% or 50%"),
    ],
)
def test_commands_refuse_unknown_services_before_anything_starts(
    tmp_path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command then has the exit code of wrong usage."""
    file = project(tmp_path)
    assert 2 == main([*words, "--target", "local", "--config", str(file)])
    assert message in capsys.readouterr().err
    assert not (tmp_path / "reports").exists()


def test_plan_refuses_what_a_run_would_refuse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``harness plan`` refuses an unknown profile and a command that does not exist."""
    file = project(tmp_path, "load: {profile: brows}\n")
    assert 2 == main(["plan", "--target", "local", "--config", str(file)])
    assert "did you mean 'browse'?" in capsys.readouterr().err
    (project(tmp_path).parent / "reviews.py").unlink()
    assert 2 == main(["plan", "--target", "local", "--config", str(file)])
    assert "found no file 'reviews.py'" in capsys.readouterr().err


def test_the_interpreter_of_the_harness_is_a_program(tmp_path: Path) -> None:
    """{python} is a path, and is checked as one."""
    config = read_config(project(tmp_path))
    command = config.workload("reviews", "v2").command
    assert command is not None
    assert sys.executable == command[0]
    gate.check_scenario(wiring.scenario(config, name="typo", seed=1), config, target="local")


def test_modules_of_an_editable_installation_are_found(tmp_path: Path) -> None:
    """Such packages are in no folder of sys.path, for example in a development checkout."""
    file = project(tmp_path, services=SERVICES.replace('ratings.py, "{port}"', '-m, harness.demo.ratings, "{port}"'))
    command = [Path(sys.executable).with_name("harness"), "plan", "--target", "local", "--config", file]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr)


def test_config_check_finds_what_the_file_names_and_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Commands, the load profile, what it sends and whether Locust can import it; no service is started."""
    file = project(tmp_path)
    check = ["config", "check", "--config", str(file)]
    assert 0 == main(check)
    assert "the load profile browse; the commands of these services: ratings-v1, reviews-v1" in capsys.readouterr().out
    profile = tmp_path / "loadprofiles" / "browse.py"
    profile.write_text(f"import nosuchmodule\n{PROFILE}")
    assert 2 == main(check)
    assert f"{profile}:1: the profile cannot be imported: ModuleNotFoundError" in capsys.readouterr().err
    profile.write_text(PROFILE)
    (tmp_path / "reviews.py").unlink()
    assert 2 == main(check)
    assert "found no file 'reviews.py'" in capsys.readouterr().err
    profile.unlink()
    assert 2 == main(check)
    assert "expected the name of a load profile, found 'browse'" in capsys.readouterr().err
    project(tmp_path, 'objectives: ["error_rate{endpoint=/login1} < +1pp"]\n')
    assert 2 == main(check)
    assert "found '/login1', did you mean '/login'?" in capsys.readouterr().err
