"""GrpcUser with a real gRPC server: methods by name, stubs, streams, errors, metadata, arms."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from load_runs import execute, plan

from harness.clients.processes.child import start, wait_until
from harness.clients.processes.ports import free_ports

PROFILE = """
from locust import constant, task

from harness.load.users.grpc import GrpcUser


class Stub:
    def __init__(self, channel):
        self.Get = channel.unary_unary("/shop.Reviews/Get")
        self.List = channel.unary_stream("/shop.Reviews/List")


class Reader(GrpcUser):
    wait_time = constant(0)
    stub_class = Stub
    n = 0

    @task
    def step(self):
        Reader.n += 1
        STEPS[Reader.n % len(STEPS)](self)


def by_name(self):
    assert self.client.call("/shop.Reviews/Get", b"abc", headers={"x-one": "1"}) == b"echo abc"


def by_stub(self):
    assert self.stub.Get(b"xy") == b"echo xy"


def streamed(self):
    assert list(self.stub.List(b"n")) == [b"n0", b"n1", b"n2"]


def stopped(self):
    for one in self.stub.List(b"n"):
        assert one == b"n0"
        break


def broken(self):
    list(self.stub.List(b"fail"))
    raise AssertionError("expected an error")


def failing(self):
    self.stub.Get(b"fail")
    raise AssertionError("expected an error")


def gone(self):
    try:
        self.client.call("/shop.Reviews/Get", b"gone")
    except Exception as error:
        assert error.code().name == "NOT_FOUND"


STEPS = [by_name, by_stub, streamed, stopped, broken, failing, gone]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gRPC service in a process of its own."""
    port, folder = free_ports(1)[0], tmp_path_factory.mktemp("grpc")
    command = [sys.executable, str(Path(__file__).with_name("grpc_service.py")), str(port)]
    with start(command, name="grpc", log=folder / "service.log") as process:

        def answers() -> bool:
            process.check()
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                try:
                    channel.unary_unary("/shop.Reviews/Seen")(b"", timeout=1)
                except grpc.RpcError:
                    return False
            return True

        assert wait_until(answers, timeout_s=120)
        yield f"127.0.0.1:{port}"


def test_every_call_is_a_sample_with_its_grpc_status(tmp_path: Path, server: str) -> None:
    """UNAVAILABLE in a 200 is an error that names the status; the mark of the arm is read from the metadata.

    The Host of the load, by which a gateway finds the routes of users, is the authority of the calls.
    """
    profile = tmp_path / "reader.py"
    profile.write_text(PROFILE)
    headers = {"X-Run": "r", "Host": "shop.example.com"}
    outcome = execute(
        plan(profile, f"http://{server}", rate=70, seconds=1, headers=headers, canary_choice=1.0), tmp_path
    )
    samples = outcome.samples
    kinds = Counter(
        (samples.operations[operation], int(status), samples.errors[error], int(arm))
        for operation, status, error, arm in zip(
            samples.operation, samples.status, samples.error, samples.arm, strict=True
        )
    )
    unavailable = next(error for _, _, error, _ in kinds if "UNAVAILABLE" in error)
    assert "no stars today" in unavailable
    assert {
        ("/shop.Reviews/Get", 200, "", 1),
        ("/shop.Reviews/List", 200, "", 1),
        ("/shop.Reviews/Get", 200, unavailable, 1),
    } <= set(kinds)
    assert any("NOT_FOUND" in error for _, _, error, _ in kinds)
    streams = {error for name, _, error, _ in kinds if name.endswith("List")}
    assert {"", unavailable} == streams  # a stream that a task leaves early is no failure
    assert outcome.report.notes == ()  # a failed call is no exception of the profile
    assert all(count >= 5 for count in kinds.values())
    assert len(samples) == outcome.report.planned
    with grpc.insecure_channel(server) as channel:
        seen = channel.unary_unary("/shop.Reviews/Seen")(b"", timeout=5).decode()
        assert "'x-run': 'r'" in seen
        assert "'host': 'shop.example.com'" in seen


def test_a_server_that_is_not_there_gives_no_answer(tmp_path: Path) -> None:
    """Status 0, as with every other User, and the error says what grpc says."""
    profile = Path(__file__).parents[2] / "loadprofiles" / "reviews_grpc.py"
    outcome = execute(plan(profile, f"http://127.0.0.1:{free_ports(1)[0]}", rate=20, seconds=0.5), tmp_path)
    assert set(outcome.samples.status.tolist()) == {0}
    assert "gRPC UNAVAILABLE" in outcome.samples.errors[1]


def test_the_shipped_profile_reads_books(tmp_path: Path, server: str) -> None:
    """It needs no generated code."""
    profile = Path(__file__).parents[2] / "loadprofiles" / "reviews_grpc.py"
    outcome = execute(plan(profile, f"http://{server}", rate=40, seconds=1), tmp_path)
    assert outcome.samples.operations == ("/shop.Reviews/Get",)
    assert not outcome.samples.failed.any()
    assert set(outcome.samples.arm.tolist()) == {1}
