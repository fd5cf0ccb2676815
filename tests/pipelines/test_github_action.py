"""The composite action for GitHub: its shell steps run for real, with every exit code."""

import json
import shutil
from pathlib import Path

import pytest
from composite_action import ACTION, ROOT, Job, environment_with

from harness.demo import PROJECT

REAL = "import sys; from harness.cli import main; sys.exit(main())"
SCENARIO = '''"""A scenario whose run was recorded before."""

import os


def test_checkout(canary):
    """The new build is as good as the running one."""
    canary.run(os.environ["WANTED"]).require_pass()
'''


@pytest.fixture
def job(tmp_path):
    """Makes a job in the demo's project, in which runs were recorded before and ``harness`` is the real one."""
    folder = tmp_path / "work"
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("__pycache__", "scenarios"))
    (folder / "scenarios").mkdir()
    (folder / "scenarios" / "test_shop.py").write_text(SCENARIO)
    environment = environment_with(tmp_path / "bin", harness=REAL) | {
        "PYTHONPATH": ":".join(str(ROOT / one) for one in ("tests/fakes", "tests/unit", ".")),
        "PYTEST_ADDOPTS": "-p recorded_canary -p no:cacheprovider -p no:hypothesispytest",
    }

    def make(wanted="pass", **inputs):
        given = {"package": "", **{name.replace("_", "-"): value for name, value in inputs.items()}}
        return Job(folder=folder, environment=environment | {"WANTED": wanted}, inputs=given)

    return make


@pytest.fixture
def release(tmp_path):
    """Makes a job in which ``harness`` notes its words and its KUBECONFIG, and ends each step with a chosen code."""
    folder = tmp_path / "work"
    folder.mkdir()
    noted = tmp_path / "noted"
    text = (
        "import json, os, pathlib, sys\n"
        "path = pathlib.Path(os.environ.get('KUBECONFIG', '/none'))\n"
        "seen = path.read_text() if path.is_file() else ''\n"
        f"with open({str(noted)!r}, 'a') as out:\n"
        "    out.write(json.dumps([sys.argv[1:], seen, oct(path.stat().st_mode)[-3:] if seen else '']) + '\\n')\n"
        "assert 'HARNESS_KUBECONFIG' not in os.environ\n"
        "sys.exit(int(os.environ.get('CODE_' + sys.argv[2].upper(), 0)))\n"
    )
    environment = environment_with(tmp_path / "bin", harness=text)

    def run(codes=(), **inputs):
        given = {"package": "", "image": "shop@sha256:1", **inputs}
        one = Job(folder=folder, environment={**environment, **dict(codes)}, inputs=given).run()
        return one, [json.loads(line) for line in noted.read_text().splitlines()] if noted.exists() else []

    return run


@pytest.mark.parametrize(
    ("verdict", "code", "level"),
    [("pass", 0, None), ("fail", 1, "error"), ("marginal", 10, "warning"), ("inconclusive", 11, "warning")],
)
def test_a_verdict_becomes_outputs_an_annotation_a_summary_and_the_exit_code(job, verdict, code, level):
    """The annotation is at the test's first line; the report that the outputs name is in the uploaded folder."""
    done = job(verdict).run()
    assert code == done.code, done.said
    assert (verdict, str(code)) == (done.output("verdict"), done.output("exit-code"))
    assert (float(done.output("score")) >= 95) == (verdict == "pass")
    assert "<html" in (done.folder / done.output("report")).read_text()
    assert ["./reports/", "./verdicts.xml"] == done.uploaded["path"].split()
    assert (done.folder / "verdicts.xml").is_file()
    assert f"**canary: {verdict}**, score {done.output('score')} of 100." in done.summary
    annotations = [line for line in done.said.splitlines() if line.startswith("::")]
    expected = (
        f"::{level} file=scenarios/test_shop.py,line=6,title={verdict}%3A scenarios/test_shop.py%3A%3Atest_checkout::"
    )
    assert ([] if level is None else [expected]) == [line[: len(expected)] for line in annotations]


def test_trouble_is_told_and_fails_and_shows_no_older_report(job):
    """An exception of the scenario's own leaves no verdict: exit code 12, no score, an annotation that says so."""
    assert 1 == job("fail").run().code
    done = job("no such verdict").run()
    assert (12, "trouble", "", "") == (done.code, done.output("verdict"), done.output("score"), done.output("report"))
    assert "::error title=canary-harness::No verdict" in done.said
    assert 1 == done.said.count("::error")


def test_wrong_usage_is_told_and_fails(job):
    """A scenario that does not exist is nobody's verdict."""
    done = job(scenarios="scenarios/nothing_here.py").run()
    assert (2, "usage", "") == (done.code, done.output("verdict"), done.output("score"))


def test_the_worst_of_several_scenarios_is_told(job):
    """The score is the lowest one, and the report that of the worst verdict."""
    one = job("pass")
    (one.folder / "scenarios" / "test_more.py").write_text(SCENARIO.replace('os.environ["WANTED"]', '"fail"'))
    done = one.run()
    assert (1, "fail") == (done.code, done.output("verdict"))
    assert "test-more" in done.output("report").replace("_", "-")


@pytest.mark.parametrize(("code", "verdict"), [(0, "pass"), (10, "marginal"), (11, "inconclusive")])
def test_a_hold_can_continue(release, code, verdict):
    """With ``hold: continue`` the next job asks a person."""
    done, _ = release(codes={"CODE_GATE": str(code)}.items(), steps="deploy gate", hold="continue")
    assert (0, verdict, str(code)) == (done.code, done.output("verdict"), done.output("exit-code"))
    assert ("A person decides" in done.said) == (code != 0)


@pytest.mark.parametrize("hold", ["continue", "fail"])
@pytest.mark.parametrize(
    ("code", "verdict"), [(1, "fail"), (2, "usage"), (12, "trouble"), (130, "interrupted"), (139, "trouble")]
)
def test_nothing_else_ever_continues(release, hold, code, verdict):
    """Nobody can approve what failed or was not judged; a crash is trouble."""
    done, _ = release(codes={"CODE_GATE": str(code)}.items(), steps="deploy gate", hold=hold)
    assert (code, verdict) == (done.code, done.output("verdict"))


def test_a_misspelt_hold_is_refused(release):
    """A pass does not pass with it either, so that the mistake is found at once."""
    done, _ = release(hold="contine")
    assert 2 == done.code
    assert "expected hold: fail or continue, found: contine" in done.said


@pytest.mark.parametrize(
    "name", ["scenarios", "target", "seed", "image", "steps", "by", "reason", "kubeconfig", "hold"]
)
def test_an_input_is_never_shell_code(release, tmp_path, name):
    """A scenario, a seed or an image with a command in it starts nothing."""
    mark = tmp_path / "started"
    release(**{"image": "" if name in {"scenarios", "target", "seed"} else "shop:1", "steps": "reject",
               name: f"$(touch {mark}); `touch {mark}`; touch {mark} & '\"; touch {mark}"})  # fmt: skip
    assert not mark.exists()


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ("all", [["--image", "shop@sha256:1", "--no-wait"]]),
        ("deploy shift gate", [["deploy", "--image", "shop@sha256:1"], ["shift", "--no-wait"], ["gate", "--no-wait"]]),
        ("approve resume", [["approve", "--by", "ana", "--reason", "seen, harmless"], ["resume", "--no-wait"]]),
        ("reject", [["reject", "--by", "ana", "--reason", "seen, harmless"]]),
    ],
)  # fmt: skip
def test_the_steps_of_a_release_run_one_after_the_other(release, steps, words):
    """The image is named once; a person's name and reason go to decisions only; a hold ends the job instead of waiting."""
    done, noted = release(steps=steps, by="ana", reason="seen, harmless")
    assert [["release", *one] for one in words] == [said for said, _, _ in noted]
    assert (0, "pass") == (done.code, done.output("verdict"))


def test_a_step_that_does_not_pass_ends_the_release(release):
    """A gate after a failed deployment would judge an old canary."""
    done, noted = release(codes={"CODE_DEPLOY": "1"}.items(), steps="deploy gate promote")
    assert ["deploy"] == [words[1] for words, _, _ in noted]
    assert (1, "fail") == (done.code, done.output("verdict"))


@pytest.mark.parametrize("steps", [" ", "gates", "--help"])
def test_no_steps_and_unknown_steps_are_a_mistake(release, steps):
    """An empty list proves nothing."""
    done, noted = release(steps=steps)
    assert (2, "usage", []) == (done.code, done.output("verdict"), noted)


def test_several_services_are_one_release(release):
    """Each image is a word of its own, and both are in one command: they are promoted together or not at all."""
    _, noted = release(image="reviews=shop/reviews:1 ratings=shop/ratings@sha256:2", steps="all")
    images = ["--image", "reviews=shop/reviews:1", "--image", "ratings=shop/ratings@sha256:2"]
    assert [["release", *images, "--no-wait"]] == [words for words, _, _ in noted]


@pytest.mark.parametrize("steps", ["all", "deploy", "deploy gate"])
def test_without_an_image_nothing_is_released(release, steps):
    """An output of another job that is empty must not turn a release into a run of scenarios, unless nothing else is asked."""
    done, noted = release(image="", steps=steps)
    assert [["run", "scenarios", "--", "--junit-xml=verdicts.xml"]] * (steps == "all") == [
        words for words, _, _ in noted
    ]
    assert (0 if steps == "all" else 2) == done.code


def test_the_kubeconfig_is_a_private_file_that_is_gone_afterwards(release):
    """It is neither in the environment of what the harness starts nor left on a runner that other jobs use."""
    done, noted = release(steps="gate", kubeconfig="apiVersion: v1")
    assert [("apiVersion: v1\n", "600")] == [(seen, mode) for _, seen, mode in noted]
    assert not list((done.folder / "temp").glob("*kubeconfig*"))


def test_the_package_is_installed_when_asked(release, tmp_path):
    """A pip that fails ends the job before anything runs, and the outputs say that there is no verdict."""
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    (folder / "python3").write_text(
        '#!/bin/sh\ncase "$*" in *"-m pip install"*) exit 7;; esac\nexec /usr/bin/env -S python "$@"\n'
    )
    (folder / "python3").chmod(0o755)
    done, noted = release(package="canary-harness==0.1.0")
    assert [] == noted
    assert (7, "trouble") == (done.code, done.output("verdict"))


def test_every_file_that_the_action_runs_is_next_to_it():
    """A composite action brings only its own folder's path."""
    names = {word.split("/")[-1].strip('"') for word in ACTION.read_text().split() if "GITHUB_ACTION_PATH" in word}
    assert {"run.sh", "tell.py", "decide.sh"} == names
    assert all((Path(ACTION).parent / name).is_file() for name in names)
