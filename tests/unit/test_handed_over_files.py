"""What is handed to another process as a file arrives there as the same value."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from harness.load.planning.load_plan import LoadOptions, plan_load
from harness.load.planning.profile_settings import ProfileSettings
from harness.load.protocol.child_spec import decode_spec, encode_spec
from harness.model.load import Arrivals, LoadPlan, Stage
from harness.model.stand_in import Body
from harness.replay.script import Answers, Script, StandIn, Trouble, read_script, script_text


def test_a_load_plan_arrives_with_its_types() -> None:
    """Paths, stages and enumerations are not left as texts and lists."""
    stages = (Stage(duration_s=1, start_rps=2, end_rps=3.5),)
    sent = LoadPlan(
        profile=Path("a.py"), url="http://x", stages=stages, ca_file=Path("/ca"), headers={"a": "é"},
        canary_choice=0.5, users=3, arrivals=Arrivals.POISSON,
    )  # fmt: skip
    assert sent == decode_spec(encode_spec(sent))
    assert isinstance(decode_spec(encode_spec(sent)).arrivals, Arrivals)


def test_files_fit_into_every_locale_and_every_path() -> None:
    """A container may have no locale, and a folder a name that is not UTF-8; bodies have any letters."""
    profile = Path(os.fsdecode(b"/tmp/\xff/a.py"))
    sent = LoadPlan(profile=profile, url="http://x", stages=(Stage(duration_s=1, start_rps=2, end_rps=2),))
    assert sent == decode_spec(encode_spec(sent))
    script = Script(seed=1, stand_ins=(StandIn(name="a", health="/", answers=(), bodies=(Body(path="/*", text="é"),)),))
    assert encode_spec(sent).isascii()
    assert script_text(script).isascii()


def test_a_plan_of_another_version_is_refused() -> None:
    """A field with a value of another type is named."""
    with pytest.raises(ValidationError, match="url"):
        decode_spec('{"profile": "a.py", "url": null, "stages": []}')


def test_a_script_of_stand_ins_arrives_with_its_unlimited_bins() -> None:
    """JSON has no infinity, but the last bin of a histogram has no upper edge."""
    answers = Answers(statuses=((200, 3),), latency_ms=((0.0, math.inf, 2.5),), size_bytes=((0, 10, 2),))
    played = StandIn(
        name="ratings-v1", health="/health", answers=(answers,), bodies=(Body(path="/*", text="é"),),
        troubles=(Trouble(phase="fault", share=0.1),),
    )  # fmt: skip
    sent = Script(seed=1, overhead_ms=0.5, stand_ins=(played,))
    assert sent == read_script(script_text(sent))


def test_a_profile_may_set_all_that_the_caller_may_choose(tmp_path: Path) -> None:
    """The caller's choice wins, and None is no choice."""
    assert LoadOptions.__annotations__.keys() <= ProfileSettings.__annotations__.keys()
    profile = tmp_path / "profile.py"
    profile.write_text('LOADPROFILE = {"seed": 5, "arrivals": "poisson", "rate": 3}\n')
    plan = plan_load(profile, "http://x", seed=7, arrivals=None, users=None)
    assert (7, Arrivals.POISSON, None) == (plan.seed, plan.arrivals, plan.users)
