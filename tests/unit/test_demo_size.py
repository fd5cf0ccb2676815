"""The demo adapts its rate and length to the machine, and every ending names a next step."""

from __future__ import annotations

import dataclasses
import random
import stat
import subprocess
from pathlib import Path

import pytest

from harness import delay
from harness.cli.demo import next_step, repeated
from harness.cli.demo_size import Machine, described, longer, measure, sized
from harness.config import read_config
from harness.demo import PROJECT
from harness.demo.kinds import Kind
from harness.model.verdict import Verdict

CONFIG = read_config(PROJECT / "harness.yaml")
FAULTS = [delay("ratings", "2s", percent=30)]
QUIET = Machine(load=0.3, cpus=2, share=0.99, late_s=0.0002)


def busy(*, share: float = 0.1, late_s: float = 0.01) -> Machine:
    """A machine with a load of 17."""
    return Machine(load=17.2, cpus=2, share=share, late_s=late_s)


def seconds(config) -> float:
    """The duration of a run with all phases."""
    phases = config.phases
    return phases.warm_up_s + phases.steady_s + phases.fault_s + phases.recovery_s


def test_a_quiet_machine_gets_the_demo_as_it_is():
    """On a quiet machine the demo takes less than a minute."""
    assert CONFIG == sized(CONFIG, FAULTS, QUIET)
    assert 60 > seconds(CONFIG)
    assert f"200 requests per second for at most {seconds(CONFIG):g} s" == described(CONFIG)


def test_a_machine_that_disturbs_latencies_gets_a_longer_run():
    """The run is longer the more the machine disturbs latencies, up to three times."""
    found = [seconds(sized(CONFIG, FAULTS, busy(late_s=late_s))) for late_s in (0.001, 0.03, 0.05, 1.0)]
    assert sorted(found) == found
    assert len(set(found)) >= 3
    assert seconds(longer(CONFIG, 3)) == found[-1]


def test_a_machine_without_cpu_gets_a_lower_rate():
    """The rate is low enough for the load generator to keep up, and the run is longer in return."""
    slow = sized(CONFIG, FAULTS, busy(share=0.04))
    assert 80 == slow.load.rate_rps
    assert seconds(slow) > seconds(CONFIG)
    assert 67 == sized(CONFIG, FAULTS, busy(share=0.01)).load.rate_rps
    for machine in (busy(share=0.01), busy(share=0.04), busy(share=0.07), QUIET):
        config = sized(CONFIG, FAULTS, machine)
        warm_up_s = CONFIG.phases.warm_up_s
        planned = CONFIG.load.rate_rps * (seconds(CONFIG) - warm_up_s)
        assert planned <= config.load.rate_rps * (seconds(config) - warm_up_s)


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        (QUIET, "this machine is quiet (load 0 on 2 CPUs)"),
        (busy(), "this machine is busy (load 17 on 2 CPUs)"),
        (Machine(load=0.1, cpus=2, share=0.5, late_s=0.0), "this machine is busy (load 0 on 2 CPUs)"),
        (Machine(load=0.1, cpus=2, share=1.0, late_s=0.02), "this machine is busy (load 0 on 2 CPUs)"),
    ],
)
def test_a_busy_machine_is_called_busy(machine, expected):
    """The load average changes slowly, so the current measurement counts too."""
    assert expected == str(machine)


def test_the_measurement_sees_late_wakeups_and_a_shared_cpu():
    """In this test each sleep ends 3 ms late, and the process gets a third of a CPU."""
    clock = {"now": 0.0}

    def now():
        clock["now"] += 1e-4
        return clock["now"]

    def sleep(time_s):
        clock["now"] += time_s + 0.003

    found = measure(now=now, sleep=sleep, cpu_s=lambda: clock["now"] / 3, load=lambda: (4.0, 0.0, 0.0))
    assert (4.0, pytest.approx(0.333, abs=0.01), pytest.approx(0.003, abs=0.001)) == (
        found.load,
        found.share,
        found.late_s,
    )


@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize("kind", list(Kind))
def test_every_end_of_the_demo_has_a_next_step(verdict, kind):
    """The next step is a command to run."""
    assert "harness demo" in next_step(kind, verdict, "harness demo --seed 1", CONFIG, QUIET)


def test_a_run_that_decided_nothing_is_repeated_for_longer():
    """The command contains the longer time; a busy machine is named as a possible cause."""
    text = next_step(Kind.GOOD, Verdict.INCONCLUSIVE, "harness demo --seed 1", CONFIG, busy())
    assert "harness demo --seed 1 --length 30s" in text
    assert "load 17" in text


def test_a_run_is_repeated_with_its_rate_and_length():
    """The command leaves them out if they are the defaults of a quiet machine."""
    assert "x demo --canary good --fault delay --seed 7" == repeated("x", Kind.GOOD, "delay", 7, CONFIG)
    slow = sized(CONFIG, FAULTS, busy(share=0.04))
    assert repeated("x", Kind.GOOD, "delay", 7, slow).endswith(f"--rate 80 --length {slow.phases.steady_s:g}s")


@pytest.mark.parametrize(
    ("code", "said"),
    [(11, "decided nothing; the line that begins with next"), (1, "failed"), (12, "no verdict"), (0, "")],
)
def test_make_demo_explains_its_exit_code(tmp_path: Path, code: int, said: str):
    """An error of make alone would tell a newcomer nothing."""
    harness = tmp_path / "harness"
    harness.write_text(f"#!/bin/sh\nexit {code}\n")
    harness.chmod(harness.stat().st_mode | stat.S_IXUSR)
    stamp = tmp_path / "set-up"
    stamp.touch()  # newer than everything that it depends on, so make sets nothing up
    root = Path(__file__).parents[2]
    command = ["make", "-C", str(root), "demo", f"BIN={tmp_path}", f"STAMP={stamp}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (2 if code else 0) == done.returncode
    lines = [line for line in done.stdout.splitlines() if line.startswith("make demo")]
    assert bool(said) == bool(lines)
    assert said in "".join(lines)


@pytest.mark.parametrize(("burst", "least", "most"), [(1, 0.4, 1.8), (20, 5.0, 20.0)])
def test_the_measurement_sees_bursts_of_lateness(burst, least, most):
    """Wake-ups that are late in bursts disturb neighbouring requests alike, which counts as fewer requests."""
    clock, draws = {"now": 0.0, "sleeps": 0}, random.Random(1)
    late_s = [draws.choice((0.0, 0.01)) for _ in range(1000)]

    def now():
        clock["now"] += 1e-5
        return clock["now"]

    def sleep(time_s):
        clock["now"] += time_s + late_s[clock["sleeps"] // burst]
        clock["sleeps"] += 1

    found = measure(now=now, sleep=sleep, cpu_s=lambda: clock["now"], load=lambda: (4.0, 0.0, 0.0), probe_s=6.0)
    assert least < found.clustering < most


def test_bursts_make_the_run_longer_on_a_busy_machine_only():
    """On a quiet machine the lateness is microseconds."""
    bursts = dataclasses.replace(busy(late_s=0.006), clustering=2.5)
    assert seconds(sized(CONFIG, FAULTS, bursts)) > seconds(sized(CONFIG, FAULTS, busy(late_s=0.006)))
    assert CONFIG == sized(CONFIG, FAULTS, dataclasses.replace(QUIET, clustering=2.5))
