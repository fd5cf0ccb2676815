"""Load profiles are found by name, and their settings are read without importing them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from load_runs import READ, execute, plan

from harness.errors import LoadProfileError
from harness.load.planning.load_plan import plan_load, resolve_stages
from harness.load.planning.profile_settings import ProfileSettings, read_settings
from harness.load.planning.profiles import find_profile, known_profiles
from harness.model.load import Arrivals, Stage

PROFILES = Path(__file__).parents[2] / "loadprofiles"


def written(tmp_path: Path, text: str) -> Path:
    """Write a profile whose literal starts in line 3 and whose import would fail."""
    path = tmp_path / "profile.py"
    path.write_text(f'raise SystemExit("this file must not be imported")\n\nLOADPROFILE = {text}\n')
    return path


def test_a_profile_is_found_by_name_and_by_path(tmp_path):
    """Names are looked up in the folders in order; a path is used as it is."""
    (tmp_path / "browse.py").touch()
    (tmp_path / "_shared.py").touch()
    assert find_profile("browse", [tmp_path, PROFILES]) == tmp_path / "browse.py"
    assert find_profile("spike", [tmp_path, PROFILES]) == PROFILES / "spike.py"
    assert find_profile(str(PROFILES / "ramp.py"), []) == PROFILES / "ramp.py"
    assert list(known_profiles([tmp_path])) == ["browse"]


def test_an_unknown_profile_lists_the_known_ones():
    """A typo gets a suggestion and the list."""
    with pytest.raises(LoadProfileError, match=r"did you mean 'browse'\?; known in .*: browse, chat, ramp"):
        find_profile("brwose", [PROFILES])
    with pytest.raises(LoadProfileError, match=r"found no file nowhere\.py"):
        find_profile("nowhere.py", [PROFILES])


def test_the_settings_of_every_shipped_profile_are_valid():
    """All literals can be read without importing the files."""
    assert sorted(known_profiles([PROFILES])) == ["browse", "chat", "ramp", "reviews_grpc", "shop", "soak", "spike"]
    for path in known_profiles([PROFILES]).values():
        assert plan_load(path, "http://x").expected > 0


def test_all_keys_are_read(tmp_path):
    """Durations may be texts; stages with two numbers are constant, stages with three are linear."""
    text = (
        '{"rate": [["1m", 50], [5, 50, 100.5]], "arrivals": "poisson", "seed": 3, "users": 4, "processes": 2,'
        ' "warm_up": "500ms", "drain": 3, "trace_share": 0.5, "arm_header": "X-Version",'
        ' "expected_statuses": [404, 301]}'
    )
    assert read_settings(written(tmp_path, text)) == ProfileSettings(
        stages=(
            Stage(duration_s=60, start_rps=50, end_rps=50),
            Stage(duration_s=5, start_rps=50, end_rps=100.5),
        ),
        arrivals=Arrivals.POISSON,
        seed=3,
        users=4,
        processes=2,
        warm_up_s=0.5,
        drain_s=3,
        trace_share=0.5,
        arm_header="x-version",
        expected_statuses=(301, 404),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"rate": 1,\n "arivals": "even"}', r"profile\.py:4: .*unknown key 'arivals'; did you mean 'arrivals'"),
        ('{\n\n"rate": -5}', r"profile\.py:5: .*rate: .*found -5"),
        ('{"rate": 0}', r"profile\.py:3: .*above 0"),
        ('{"rate": [[0, 10]]}', r"profile\.py:3: .*duration above 0 s, found 0 s"),
        ('{"rate": [[10]]}', r"profile\.py:3: .*expected \[seconds, rps\]"),
        ('{"rate": "fast"}', r"profile\.py:3: .*requests per second or a list"),
        ('{"arrivals": "uniform"}', r"profile\.py:3: .*even, poisson, found 'uniform'"),
        ('{"seed": True}', r"profile\.py:3: .*whole number"),
        ('{"sizes_may_differ": 1}', r"profile\.py:3: .*expected True or False, found 1"),
        ('{"expected_statuses": 404}', r"profile\.py:3: .*list of statuses .* such as \[404\], found 404"),
        ('{"expected_statuses": [200]}', r"profile\.py:3: .*1xx, 3xx or 4xx.*found \[200\]"),
        ('{"expected_statuses": [503]}', r"profile\.py:3: .*1xx, 3xx or 4xx.*found \[503\]"),
        ('{"expected_statuses": ["404"]}', r"profile\.py:3: .*found \['404'\]"),
        ('{"trace_share": 2}', r"profile\.py:3: .*share from 0 to 1"),
        ('{"duration": "5 minutes"}', r"profile\.py:3: .*duration such as"),
        ('{"rate": 5 * 10}', r"profile\.py:3: .*found an expression"),
        ("dict(rate=5)", r"profile\.py:3: .*dictionary written out"),
        ('{1: 2}', r"profile\.py:3: .*plain strings"),
        ('{"rate": 5,\n "rate": 6}', r"profile\.py:4: .*each key once, found 'rate' again"),
        ('{"rate": 5}\nif True:\n    LOADPROFILE = {"rate": 6}', r"profile\.py:5: .*another assignment here"),
        ('{"rate": 5}\nLOADPROFILE["rate"] = 6', r"profile\.py:4: .*another assignment here"),
        ('{"rate": 5}\nLOADPROFILE |= {"rate": 6}', r"profile\.py:4: .*another assignment here"),
        ("{", r"profile\.py:\d: expected Python"),
    ],
)  # fmt: skip
def test_an_invalid_literal_is_rejected_with_its_line(tmp_path, text, words):
    """The error names file, line and key."""
    with pytest.raises(LoadProfileError, match=words):
        read_settings(written(tmp_path, text))


def test_the_options_of_the_caller_win():
    """A rate replaces the profile's stages; a duration alone cuts them, or holds their last rate."""
    settings = read_settings(PROFILES / "ramp.py")
    assert resolve_stages(settings, rate_rps=5, duration_s=None) == (Stage(duration_s=90, start_rps=5, end_rps=5),)
    cut = resolve_stages(settings, rate_rps=None, duration_s=40)
    assert cut[1] == Stage(duration_s=30, start_rps=20, end_rps=210)
    assert sum(stage.duration_s for stage in resolve_stages(settings, rate_rps=None, duration_s=100)) == 100
    with pytest.raises(LoadProfileError, match="rate of at least 0"):
        resolve_stages(settings, rate_rps=-1, duration_s=None)


def test_the_caller_may_choose_the_closed_model(tmp_path, target, profile):
    """Users then wait for their answer and their wait_time; the report states the closed model."""
    body = READ.replace("@task", "wait_time = constant(0.1)\n\n@task", 1)
    outcome = execute(plan(profile(body), target.url, users=5, seconds=2), tmp_path)
    assert outcome.report.closed
    assert outcome.report.recorded == outcome.report.counted == target.seen()["count"]
    assert 5 < outcome.report.recorded <= 5 + 5 * np.ptp(outcome.samples.due_s) / 0.1
    assert outcome.report.workers_alive == 1
