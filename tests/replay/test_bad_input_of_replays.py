"""Bad input of a replay ends the command before anything starts, with the exit code and what is missing."""

import shutil
import tarfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from replay_records import HOPS, demo_config, demo_record, git, write_demo

from harness import bundle
from harness.cli import main
from harness.cli import replay_bisect as bisect_module
from harness.clients.zstd import compressed
from harness.demo import PROJECT
from harness.faults import abort, delay, deny
from harness.model.verdict import Verdict
from harness.replay.comparing import Answer
from harness.replay.packing import pack

SLOW = delay("ratings", "2s", percent=30)
WITHOUT_RATINGS = '    command: ["{python}", -m, harness.demo.ratings, --port, "{port}"]\n'
BASE = demo_record()


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """The project of the demo in the current folder."""
    shutil.copytree(PROJECT, tmp_path / "shop")
    monkeypatch.chdir(tmp_path / "shop")
    return tmp_path / "shop"


def said(capsys, code, *words):
    """What a command says that ends with this code; nothing was started."""
    assert code == main([*words])
    assert not Path("reports").exists()
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (demo_record(samples=BASE.samples.where(BASE.samples.due_s < 0)), "expected samples in the bundle, found none"),
        (demo_record(resources={}), "expected the resources before the run (resources/before.yaml), found none"),
        (replace(BASE, plan=replace(BASE.plan, service="checkout")),
         "the service under test of the run is checkout, which"),
        (demo_record(faults=(abort("ratings", 503, inbound=True),)),
         "the local mesh cannot inject it: "),
        (demo_record(faults=(deny("ratings"),)),
         'the cluster mesh can; abort("ratings", 403) comes closest on the local mesh'),
    ],
    ids=["no samples", "no resources", "an unknown service", "an inbound fault", "a fault of a cluster"],
)  # fmt: skip
def test_a_run_that_cannot_be_repeated_here_says_why(shop, tmp_path, capsys, record, expected):
    """Something is missing, so the answer is cannot."""
    folder, _ = write_demo(tmp_path / "run", record)
    assert expected in said(capsys, 11, "replay", str(folder))


def test_a_bundle_of_an_unknown_version_is_refused(shop, tmp_path, capsys):
    """Nothing of it is guessed."""
    folder, _ = write_demo(tmp_path / "run")
    manifest = folder / bundle.MANIFEST
    manifest.write_text(manifest.read_text().replace('"format_version": 3', '"format_version": 99'))
    assert "expected format version" in said(capsys, 12, "replay", str(folder))


@pytest.mark.parametrize(
    ("hops", "expected"), [(HOPS[2:], "expected calls in the record to play it"), ((), "the bundle has no hops")]
)
def test_a_dependency_without_recorded_calls_is_named(shop, tmp_path, capsys, hops, expected):
    """Nobody knows what it would answer."""
    file = shop / "harness.yaml"
    file.write_text(file.read_text().replace(WITHOUT_RATINGS, ""))
    folder, _ = write_demo(tmp_path / "run", demo_record(hops=hops))
    told = said(capsys, 11, "replay", str(folder))
    assert "ratings: " in told
    assert expected in told
    assert "ratings: expected calls" in said(capsys, 11, "replay", str(folder), "--stand-in", "ratings")


def built(shop, tmp_path, monkeypatch, *, broken):
    """A repository of eight commits after a good one, of which the fifth is bad, and the words of its bisection.

    broken: the commits that cannot be built.
    """
    git(shop, "init", "--quiet", "--initial-branch=main")
    for number in range(9):
        (shop / "number").write_text(str(number))
        (shop / "build.sh").write_text(f"exit {int(number in broken)}")
        git(shop, "add", ".")
        git(shop, "commit", "--quiet", "-m", f"Change {number}")
    folder, analysis = write_demo(tmp_path / "run", demo_record(faults=(SLOW,)))
    failed = replace(analysis.findings[0], verdict=Verdict.FAIL)
    bundle.write_analysis(replace(analysis, verdict=Verdict.FAIL, findings=(failed,)), folder)

    def replayed(_, stage, *, quiet):
        number = int((stage.config.workload("reviews", "v3").folder / "number").read_text())
        then, now = (
            SimpleNamespace(name=str(folder), analysis=replace(analysis, verdict=verdict))
            for verdict in (Verdict.FAIL, Verdict.FAIL if number >= 5 else Verdict.PASS)
        )
        answer = Answer.REPRODUCED if number >= 5 else Answer.NOT_REPRODUCED
        return SimpleNamespace(answer=answer, why="", difference=SimpleNamespace(sides=(then, now)))

    monkeypatch.setattr(bisect_module, "replay_once", replayed)
    return ["replay", str(folder), "--bisect", "HEAD~8..HEAD", "--build", "sh build.sh"]


def test_a_commit_that_cannot_be_built_is_not_blamed(shop, tmp_path, monkeypatch, capsys):
    """It is skipped, and the one that breaks the canary is found."""
    words = built(shop, tmp_path, monkeypatch, broken={2, 4, 6})
    assert 11 == main(words)  # 4 may be the first bad one too
    told = capsys.readouterr()
    assert "culprit" not in told.out
    assert "too many commits decided nothing" in told.err
    shutil.rmtree(shop / ".git")
    shutil.rmtree(tmp_path / "run")
    words = built(shop, tmp_path, monkeypatch, broken={2, 6})
    assert 0 == main(words)
    assert "Change 5\n" in capsys.readouterr().out


def test_a_bad_commit_that_cannot_be_built_ends_the_bisection(shop, tmp_path, monkeypatch, capsys):
    """With the end of what the build said."""
    words = built(shop, tmp_path, monkeypatch, broken={8})
    assert 11 == main(words)
    assert "the bad commit cannot be built, so nothing can be bisected" in capsys.readouterr().err


def archive(file, name, content=b"{}", *, kind=tarfile.REGTYPE):
    """A packed file with one member."""
    header = tarfile.TarInfo(name)
    header.size, header.type, header.linkname = len(content), kind, "/etc/passwd"
    with compressed(file) as sink:
        sink.write(header.tobuf(tarfile.USTAR_FORMAT))
        sink.write(content + b"\0" * (-len(content) % 512) + b"\0" * 1024)


@pytest.mark.parametrize("command", [("replay",), ("bundle", "unpack")])
def test_a_file_of_somebody_else_is_not_believed(shop, tmp_path, capsys, command):
    """A damaged one, one with a path outside, a link or a bomb ends the command, and nothing of it is written."""
    folder, _ = write_demo(tmp_path / "run")
    pack(folder, tmp_path / "whole.tar.zst")
    whole = (tmp_path / "whole.tar.zst").read_bytes()
    (shop / "cut.tar.zst").write_bytes(whole[: len(whole) // 2])
    changed = bytearray(whole)
    changed[len(changed) // 2] ^= 0xFF
    (shop / "corrupt.tar.zst").write_bytes(changed)
    (shop / "other.tar.zst").write_bytes(b"no archive at all")
    archive(shop / "outside.tar.zst", "../../evil.json")
    archive(shop / "link.tar.zst", "plan.json", b"", kind=tarfile.SYMTYPE)
    archive(shop / "bomb.tar.zst", "plan.json", bytes(80 << 20))
    before = {path.name for path in shop.iterdir()}
    for name, expected in (
        ("cut", ""), ("corrupt", ""), ("other", "expected a file of harness bundle pack"),
        ("outside", "expected regular files of a bundle only"), ("link", "expected regular files of a bundle only"),
        ("bomb", "expected a bundle of a usual size"),
    ):  # fmt: skip
        told = said(capsys, 12, *command, f"{name}.tar.zst")
        assert told.startswith(f"harness: {name}.tar.zst")
        assert expected in told
    assert before == {path.name for path in shop.iterdir()}
    assert not list(tmp_path.glob("evil*"))


def test_the_configuration_of_the_demo_plays_and_runs_ratings():
    """Else the tests above would test nothing."""
    assert WITHOUT_RATINGS in (PROJECT / "harness.yaml").read_text()
    assert demo_config().workload("ratings", "v1").command is not None


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ("--stand-in", "nosuch"),
            "--stand-in nosuch: expected baseline or a service that the replay reaches (ratings)",
        ),
        (
            ("--stand-in", "details"),
            "--stand-in details: expected baseline or a service that the replay reaches (ratings)",
        ),
        (("--try", "timeout=400ms"), "--try: expected a run that failed"),
    ],
)
def test_a_plan_refuses_what_the_replay_would_refuse(shop, tmp_path, capsys, words, expected):
    """A plan does not accept a service that is not there, or a change of a run that passed."""
    folder, _ = write_demo(tmp_path / "run")
    assert expected in said(capsys, 2, "replay", str(folder), "--plan", *words)


@pytest.mark.parametrize("change", ["timeout=abc", "foo=1"])
def test_a_plan_refuses_a_change_that_is_none(shop, tmp_path, capsys, change):
    """The change of a failed run is read before anything starts."""
    folder, analysis = write_demo(tmp_path / "run", demo_record(faults=(SLOW,)))
    bundle.write_analysis(replace(analysis, verdict=Verdict.FAIL), folder)
    assert change.partition("=")[0] in said(capsys, 2, "replay", str(folder), "--plan", "--try", change)
