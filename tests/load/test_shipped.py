"""The shipped profiles run unchanged in every supported way."""

from __future__ import annotations

import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path

import pytest
from load_runs import execute, plan, run_command

from harness.clients.processes.child import start, wait_until
from harness.clients.processes.ports import free_ports
from harness.load.planning.profiles import known_profiles
from harness.load.protocol.commands import BOOTSTRAP
from harness.load.protocol.sample_reader import SampleReader

ROOT = Path(__file__).parents[2]
PROFILES = ROOT / "loadprofiles"


def locust(*words: str) -> list[str]:
    """Return the command with which a person starts Locust."""
    return [sys.executable, "-m", "locust", *words]


@pytest.mark.parametrize("name", ["ramp", "spike", "soak"])
def test_readers_send_their_requests(tmp_path, target, name):
    """Each profile of readers works in the harness and uses one name for all products."""
    outcome = execute(plan(PROFILES / f"{name}.py", target.url, rate=50, seconds=0.6), tmp_path)
    assert outcome.samples.operations == ("/reviews",)
    assert outcome.report.recorded == 30 == target.seen()["count"]
    assert not outcome.samples.failed.any()


def test_shop_keeps_a_session_for_each_customer(tmp_path):
    """With the demo's product page, a customer logs in once, keeps its cookie and continues its visit."""
    port, nobody = free_ports(2)
    environment = {"DETAILS_URL": f"http://127.0.0.1:{nobody}", "REVIEWS_URL": f"http://127.0.0.1:{nobody}"}
    command = [sys.executable, "-m", "harness.demo.productpage", "--port", str(port)]
    with start(command, name="productpage", log=tmp_path / "page.log", env={**environment, "PATH": ""}) as page:
        url = f"http://127.0.0.1:{port}"
        assert wait_until(lambda: page.check() or _answers(f"{url}/productpage"), timeout_s=120)
        outcome = execute(plan(PROFILES / "shop.py", url, rate=40, seconds=1.5), tmp_path / "run")
    counts = Counter(outcome.samples.operations[number] for number in outcome.samples.operation)
    assert outcome.report.notes == ()
    assert set(outcome.samples.status) == {200, 204}
    assert counts["/login"] == outcome.report.users
    assert counts["/productpage"] + counts["/api/v1/products/{id}"] == 60
    assert abs(counts["/productpage"] - counts["/api/v1/products/{id}"]) <= outcome.report.users


def test_chat_uses_one_websocket_per_user(tmp_path, target):
    """Locust's Socket.IO user works in the open model: messages and acknowledgements are separate samples."""
    outcome = execute(plan(PROFILES / "chat.py", target.url, rate=30, seconds=1), tmp_path)
    counts = Counter(outcome.samples.operations[number] for number in outcome.samples.operation)
    assert counts["WSE say"] == counts["WSC say"] == 30
    assert counts["WS connect"] == outcome.report.users
    assert outcome.report.recorded == outcome.report.counted
    assert not outcome.samples.failed.any()
    assert any("headers are not sent" in note for note in outcome.report.notes)


def test_every_profile_is_an_ordinary_locustfile():
    """Locust lists the users of each profile without the harness."""
    files = ",".join(str(path) for path in known_profiles([PROFILES]).values() if path.stem in {"shop", "chat", "soak"})
    ran = run_command(locust("-f", files, "--list"), cwd=ROOT)
    assert {"Customer", "Chatter", "Reader"} <= set(ran.stdout.split())


def test_a_profile_runs_under_locusts_own_web_interface(tmp_path, target):
    """Locust serves its page and sends requests in the closed model."""
    port = free_ports(1)[0]
    words = locust("-f", str(PROFILES / "browse.py"), "--host", target.url, "--web-host", "127.0.0.1")
    words += ["--web-port", str(port), "--autostart", "-u", "2", "-r", "2", "--autoquit", "0"]
    with start(words, name="locust", log=tmp_path / "locust.log", cwd=tmp_path):
        assert wait_until(lambda: _answers(f"http://127.0.0.1:{port}/"), timeout_s=120)
        assert wait_until(lambda: target.seen()["count"] >= 2, timeout_s=120, interval_s=0.2)


def test_a_person_may_start_locust_with_the_bootstrap_and_a_profile(tmp_path, target):
    """Locust sends the profile's load in the open model and prints where the recordings are."""
    profile = tmp_path / "brief.py"
    text = (PROFILES / "browse.py").read_text().replace('"rate": 50, "duration": "30s"', '"rate": 40, "duration": "1s"')
    profile.write_text(text)
    words = locust("-f", f"{BOOTSTRAP},{profile}", "--headless", "--host", target.url, "--only-summary")
    ran = run_command(words, cwd=ROOT)
    folder = Path(ran.stderr.partition("recordings in ")[2].split("\n")[0])
    assert len(SampleReader(folder).samples()) == 40 == target.seen()["count"]


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=1).close()
    except OSError:
        time.sleep(0.05)
        return False
    return True
