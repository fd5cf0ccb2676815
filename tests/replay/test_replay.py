"""A recorded run is repeated on the local mesh by the command, with a stand-in for a dependency."""

import argparse
import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from replay_records import demo_config, demo_record, write_demo

from harness.bundle import read_bundle
from harness.cli import main
from harness.cli import replay as command
from harness.cli import replay_once as replay_module
from harness.cli.replay import asked_of, config_of
from harness.demo import PROJECT
from harness.errors import ServiceError
from harness.faults import delay, retry_storm
from harness.model.hops import HopTotal
from harness.model.masking import HIDDEN
from harness.model.record import Event
from harness.replay.asked import read_asked
from harness.replay.comparing import Answer
from harness.replay.packing import pack
from harness.replay.running import _Telling
from harness.replay.staging import Options, staged
from harness.replay.tuning import FEWEST
from harness.run_folder import all_runs
from harness.runner.progress import Progress


def test_a_plan_starts_nothing(tmp_path, capsys):
    """It says what would run, what would be played and what cannot be judged."""
    folder, _ = write_demo(tmp_path / "run", demo_record(faults=(delay("ratings", "2s", percent=30),)))
    pack(folder, tmp_path / "run.tar.zst")
    config = str(demo_config().file)
    words = ["replay", str(tmp_path / "run.tar.zst"), "--plan", "--stand-in", "ratings", "--config", config]
    assert 0 == main(words)
    told = capsys.readouterr().out
    assert "real     reviews-v3, reviews-v2" in told
    assert "stand-in ratings: 200 recorded calls" in told
    assert "delay(ratings, 2 s, 30 %); 50 req/s of browse" in told
    assert {"run", "run.tar.zst"} == {path.name for path in tmp_path.iterdir()}


def test_a_packed_run_leaves_no_folder_while_it_is_replayed(tmp_path, monkeypatch):
    """It is unpacked only to be read, so a killed replay leaves nothing of it."""
    folder, analysis = write_demo(tmp_path / "run")
    pack(folder, tmp_path / "v1.3.tar.zst")
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    asked = asked_of(argparse.Namespace(bundle=str(tmp_path / "v1.3.tar.zst")))
    assert ("v1.3", analysis.verdict) == (asked.folder.name, asked.analysis.verdict)
    assert len(asked.record.samples) > 0
    assert [] == list((tmp_path / "scratch").iterdir())


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--repeat", "0"], 2, "--repeat: expected a number from 1"),
        (["--only", "fault"], 11, "expected a run with a fault"),
        (["--config", "missing.yaml"], 2, "missing.yaml"),
    ],
)
def test_bad_requests_are_refused(tmp_path, capsys, words, code, said):
    """Before anything is started."""
    folder, _ = write_demo(tmp_path / "run")
    config = [] if "--config" in words else ["--config", str(demo_config().file)]
    assert code == main(["replay", str(folder), *config, *words])
    assert said in capsys.readouterr().err


def test_latest_is_the_newest_run_that_is_no_replay(tmp_path, monkeypatch, capsys):
    """A replay can be followed by one with another option; of several scenarios, the commands are shown."""
    monkeypatch.chdir(tmp_path)
    run, replayed = "20261123-094210-a1f37c02", "20261124-094210-a1f37c02"
    folder, _ = write_demo(tmp_path / "reports" / run / "slow ratings")
    write_demo(tmp_path / "reports" / replayed / "replay-slow ratings")
    (tmp_path / "reports" / "20261125-094210-a1f37c02" / "replay-that-broke").mkdir(parents=True)
    config = str(demo_config().file)
    latest = argparse.Namespace(bundle="latest", out=Path("reports"))
    assert folder == asked_of(latest).folder.absolute()
    write_demo(tmp_path / "reports" / run / "steady")
    assert 2 == main(["replay", "latest", "--out", "reports", "--config", config])
    said = capsys.readouterr().err
    assert f"\n  harness replay 'reports/{run}/slow ratings'\n" in said
    assert f"\n  harness replay reports/{run}/steady\n" in said


def test_the_configuration_is_the_one_that_knows_the_service(tmp_path, monkeypatch, capsys):
    """The one here, else that of the recorded run with its recorded variables; the plan says which."""
    config = demo_config()
    made = demo_record()
    services = made.config["services"]
    own = services["reviews"]["versions"]["v3"]
    versions = {**services["reviews"]["versions"], "v3": {**own, "env": {"REVIEWS_KIND": "fragile", "KEY": HIDDEN}}}
    recorded = {**made.config, "services": {**services, "reviews": {**services["reviews"], "versions": versions}}}
    folder, _ = write_demo(tmp_path / "reports" / "run" / "slow", replace(made, config=recorded))
    shutil.copytree(PROJECT, tmp_path / "elsewhere", ignore=shutil.ignore_patterns("harness.yaml"))
    monkeypatch.chdir(tmp_path / "elsewhere")

    def chosen(**given):
        asked = read_asked(folder)
        return config_of(argparse.Namespace(bundle=str(folder), config=None, **given), asked)

    def kind(found):
        return found.services["reviews"].versions["v3"].env["REVIEWS_KIND"]

    assert (config.file, "fragile", tmp_path / "reports") == (chosen().file, kind(chosen()), chosen().out)
    Path("harness.yaml").write_text(config.file.read_text().replace("reviews", "shelves"))
    assert config.file == chosen().file
    Path("harness.yaml").write_text(config.file.read_text())
    assert (Path("harness.yaml").absolute(), "good") == (chosen().file, kind(chosen()))
    assert 0 == main(["replay", str(folder), "--plan"])
    told = capsys.readouterr().out
    assert told.startswith("config   harness.yaml\n")
    assert "differs  reviews-v3: REVIEWS_KIND was fragile, here it is good" in told
    assert "KEY" not in told


def test_stand_ins_are_told_when_a_phase_begins(tmp_path):
    """And nothing else: a phase that is decided early is played as recorded until the next one begins."""
    asked = read_asked(write_demo(tmp_path / "run")[0])
    begun, passed_on = [], []
    world = SimpleNamespace(troupe=SimpleNamespace(begin=begun.append), mesh=SimpleNamespace(hop_totals=tuple))
    telling = _Telling(staged(asked, demo_config(), Options()), world, passed_on.append)
    texts = ("load started", "warm-up", "steady", "steady decided", "fault 2", "fault 2 decided", "recovery")
    for text in texts:
        telling(Event(at_s=0.0, kind="phase", text=text))
    telling(Event(at_s=0.0, kind="note", text="fault"))
    assert ["warm-up", "steady", "fault 2", "recovery"] == begun
    assert (*texts, "fault") == tuple(event.text for event in passed_on)


def test_stand_ins_are_corrected_during_a_phase(tmp_path):
    """Every other second, and when a phase ends; the proxies are asked each time."""
    asked = read_asked(write_demo(tmp_path / "run")[0])
    asked_at = []
    mesh = SimpleNamespace(hop_totals=lambda: asked_at.append(len(passed_on)) or ())
    passed_on = []
    telling = _Telling(
        staged(asked, demo_config(), Options()),
        SimpleNamespace(troupe=SimpleNamespace(begin=lambda _: None), mesh=mesh),
        passed_on.append,
    )
    second = Progress(
        elapsed_s=1.0, total_s=9.0, phase="steady", rate_rps=50.0, failed=(0, 0), requests=(1, 1), p50_s=(0.1, 0.1)
    )
    telling(Event(at_s=0.0, kind="phase", text="steady"))
    for _ in range(5):
        telling(second)
    telling(Event(at_s=5.0, kind="phase", text="recovery"))
    assert [2, 4, 6] == asked_at


@pytest.mark.parametrize(("fault", "tuned"), [(delay("ratings", "2s", percent=30), 1), (retry_storm("ratings", 3), 0)])
def test_a_stand_in_is_not_corrected_by_calls_of_which_a_fault_leaves_no_flag(tmp_path, fault, tuned):
    """A retry storm makes calls long; a stand-in that answered earlier for it would be another dependency."""
    asked = read_asked(write_demo(tmp_path / "run", demo_record(faults=(fault,)))[0])
    calls = HopTotal(
        caller="reviews-v3", caller_version="v3", app="reviews", destination="ratings.default.svc.cluster.local",
        version="v1", calls=FEWEST, latency_ms={(80.0, 1.0): FEWEST},
    )  # fmt: skip
    corrected = []
    troupe = SimpleNamespace(begin=lambda _: None, take_off=lambda name, _: corrected.append(name))
    telling = _Telling(
        staged(asked, demo_config(), Options(stand_ins=("ratings",))),
        SimpleNamespace(troupe=troupe, mesh=SimpleNamespace(hop_totals=lambda: (calls,))),
        lambda _: None,
    )
    for phase in ("fault", "recovery"):
        telling(Event(at_s=0.0, kind="phase", text=phase))
    assert ["ratings-v1"] * tuned == corrected


def test_what_repeated_replays_said_is_counted_after_an_interruption(tmp_path, monkeypatch, capsys):
    """Ctrl-C in the third loses the third only."""
    folder, _ = write_demo(tmp_path / "run")
    said = [Answer.REPRODUCED, Answer.CANNOT]

    def replayed(*_):
        if not said:
            raise KeyboardInterrupt
        return SimpleNamespace(answer=said.pop(0), late=False, undecided=False, elsewhere=False)

    monkeypatch.setattr(command, "replay_once", replayed)
    assert 130 == main(["replay", str(folder), "--config", str(demo_config().file), "--repeat", "5"])
    assert "of 2 replays: 1 reproduced, 1 cannot\n" in capsys.readouterr().out


def test_a_replay_that_fails_to_start_is_not_left_unfinished(tmp_path, monkeypatch, capsys):
    """Its run says what went wrong."""

    def broken(*_, **__):
        (run,) = all_runs(tmp_path / "out")
        assert run.under_way
        raise ServiceError("reviews-v3: it does not start")

    monkeypatch.setattr(replay_module, "replayed", broken)
    folder, _ = write_demo(tmp_path / "run")
    words = ["replay", str(folder), "--config", str(demo_config().file), "--out", str(tmp_path / "out")]
    assert 12 == main(words)
    assert "reviews-v3: it does not start" in capsys.readouterr().err
    (run,) = all_runs(tmp_path / "out")
    assert (True, 12, "reviews-v3: it does not start") == (run.finished, run.exit_code, run.troubles[0].message)


def test_a_run_is_repeated_with_a_stand_in(tmp_path, capsys):
    """The replay is a recorded run of its own, in which the stand-in answered both arms."""
    folder, _ = write_demo(tmp_path / "run")
    words = ["replay", str(folder), "--config", str(demo_config().file), "--out", str(tmp_path / "out")]
    code = main([*words, "--stand-in", "ratings"])
    told = capsys.readouterr().out
    assert code in (0, 1, 11), told  # what a busy machine makes of three seconds is not the point
    (replayed,) = (tmp_path / "out").glob("*/replay-run")
    record = read_bundle(replayed)
    assert "replay of slow ratings" == record.plan.scenario
    assert f"report   {replayed / 'report.html'}" in told
    assert {"baseline", "canary"} <= {hop.arm for hop in record.hops if hop.destination.startswith("ratings")}
    script = json.loads((replayed / "logs" / "stand-ins" / "stand-ins.json").read_text())
    assert ["ratings-v1"] == [one["name"] for one in script["stand_ins"]]
    assert not Path("reports").exists() or replayed not in Path("reports").rglob("*")
