"""Child processes end with the harness, however the harness ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from harness.clients.processes.child import Process, start, wait_until
from harness.clients.processes.ports import free_ports, is_free, port_holder
from harness.errors import ServiceError

# A command with a child, a grandchild in its own session (which may ignore SIGTERM), and a daemon (a double fork).
FAMILY = """
import os, signal, subprocess, sys, time
pids = [os.getpid()]
pids.append(subprocess.Popen(["sleep", "600"]).pid)
stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.{answer}); print('up', flush=True); time.sleep(600)"
deaf = subprocess.Popen([sys.executable, "-c", stubborn], start_new_session=True, stdout=subprocess.PIPE)
deaf.stdout.readline()
pids.append(deaf.pid)
read_end, write_end = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.write(write_end, str(os.getpid()).encode())
        os.close(write_end)
        time.sleep(600)
    os._exit(0)
os.wait()
pids.append(int(os.read(read_end, 20)))
with open(sys.argv[1] + ".new", "w") as file:
    file.write(" ".join(map(str, pids)))
os.rename(sys.argv[1] + ".new", sys.argv[1])
{then}
"""

HARNESS = """
import sys, time
from pathlib import Path
from harness.clients.processes.child import start
with start([sys.executable, "-c", sys.argv[1], sys.argv[2]], name="family", log=Path(sys.argv[2] + ".log")):
    while not Path(sys.argv[2]).exists():
        time.sleep(0.01)
    print("ready", flush=True)
    {then}
"""


def family(then: str = "time.sleep(600)", *, deaf: bool = False) -> str:
    """Return a program that starts a family of processes and then runs ``then``."""
    return FAMILY.replace("{then}", then).replace("{answer}", "SIG_IGN" if deaf else "SIG_DFL")


def pids_in(path: Path) -> list[int]:
    """Wait for the file and return the process ids in it."""
    assert wait_until(path.exists, timeout_s=30)
    return [int(pid) for pid in path.read_text().split()]


def living(pids: list[int]) -> list[int]:
    """Return the process ids that are still running."""
    return [pid for pid in pids if _runs(pid)]


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def started_harness(pids_file: Path, then: str = "time.sleep(600)", *, deaf: bool = False) -> subprocess.Popen[str]:
    """Start a harness that has started a family of processes."""
    harness = subprocess.Popen(
        [sys.executable, "-c", HARNESS.replace("{then}", then), family(deaf=deaf), str(pids_file)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert harness.stdout is not None
    with harness.stdout:
        assert harness.stdout.readline() == "ready\n"
    return harness


def test_stop_ends_children_sessions_and_daemons(tmp_path: Path) -> None:
    """Stopping ends the command, its child, a grandchild that ignores SIGTERM in its own session, and a daemon."""
    process = start(
        [sys.executable, "-c", family(deaf=True), str(tmp_path / "pids")], name="family", log=tmp_path / "log"
    )
    pids = pids_in(tmp_path / "pids")
    assert living(pids) == pids
    assert process.pid == pids[0]
    process.stop(grace_s=0.3)
    assert living(pids) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_to_the_harness_ends_the_whole_tree(tmp_path: Path, number: signal.Signals) -> None:
    """SIGKILL, SIGTERM and Ctrl-C of the harness leave no process behind, not even daemons."""
    harness = started_harness(tmp_path / "pids", deaf=number is signal.SIGKILL)
    pids = pids_in(tmp_path / "pids")
    assert living(pids) == pids
    harness.send_signal(number)
    harness.wait(30)
    assert wait_until(lambda: living(pids) == [], timeout_s=30)


@pytest.mark.parametrize("then", ["raise RuntimeError", "__import__('os')._exit(3)", "pass"])
def test_an_exception_or_an_exit_of_the_harness_ends_the_whole_tree(tmp_path: Path, then: str) -> None:
    """An exception, an abrupt exit and a normal exit leave no process behind."""
    harness = started_harness(tmp_path / "pids", then)
    harness.wait(30)
    assert wait_until(lambda: living(pids_in(tmp_path / "pids")) == [], timeout_s=30)


def test_a_forked_copy_of_the_harness_does_not_keep_the_tree_alive(tmp_path: Path) -> None:
    """A forked copy that holds the socket hides the end of file, but the tree still ends on SIGKILL."""
    then = (
        "import os; fork = os.fork(); open(sys.argv[2] + '.fork', 'w').write(str(fork)) if fork else 0; time.sleep(600)"
    )
    harness = started_harness(tmp_path / "pids", then)
    pids = pids_in(tmp_path / "pids")
    assert wait_until(
        lambda: (tmp_path / "pids.fork").exists() and (tmp_path / "pids.fork").read_text() != "", timeout_s=30
    )
    harness.kill()
    harness.wait(30)
    try:
        assert wait_until(lambda: living(pids) == [], timeout_s=30)
    finally:
        os.kill(int((tmp_path / "pids.fork").read_text()), signal.SIGKILL)


def test_a_killed_supervisor_ends_its_command(tmp_path: Path) -> None:
    """When the supervisor itself is killed, the command dies too, and stop ends its process group."""
    with start(["sh", "-c", "sleep 600 & echo $!; wait"], name="group", log=tmp_path / "log") as process:
        assert wait_until(lambda: process.tail() != "", timeout_s=30)
        pids = [process.pid, int(process.tail())]
        os.kill(psutil.Process(process.pid).ppid(), signal.SIGKILL)
        assert wait_until(lambda: not process.running(), timeout_s=30)
    assert wait_until(lambda: living(pids) == [], timeout_s=30)


def test_a_process_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    """A process started in a thread outlives that thread: it still writes after the thread has ended."""
    processes: list[Process] = []
    ticking = ["sh", "-c", "while :; do echo tick; sleep 0.05; done"]
    thread = threading.Thread(target=lambda: processes.append(start(ticking, name="ticking", log=tmp_path / "log")))
    thread.start()
    thread.join()
    with processes[0] as process:
        ticks = (tmp_path / "log").read_text().count("tick")
        assert wait_until(lambda: (tmp_path / "log").read_text().count("tick") > ticks + 3, timeout_s=30)
        assert process.running()


def test_processes_that_a_command_leaves_behind_end_with_it(tmp_path: Path) -> None:
    """When a command exits, its daemons end too, and its exit code is reported."""
    with start(
        [sys.executable, "-c", family("os._exit(7)"), str(tmp_path / "pids")], name="family", log=tmp_path / "log"
    ) as process:
        pids = pids_in(tmp_path / "pids")
        assert wait_until(lambda: not process.running(), timeout_s=30)
        assert process.exit_code == 7
        assert living(pids) == []


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [("echo out; echo err >&2; exit 3", 3, "with exit code 3"), ("kill -SEGV $$", -11, "by signal 11")],
)
def test_check_explains_a_process_that_has_ended(tmp_path: Path, script: str, code: int, words: str) -> None:
    """The error names the process, how it ended, its log and the last lines of output and errors."""
    with start(["sh", "-c", script], name="ratings-v1", log=tmp_path / "logs" / "ratings.log") as process:
        assert wait_until(lambda: not process.running(), timeout_s=30)
        assert process.exit_code == code
        with pytest.raises(ServiceError) as raised:
            process.check()
    message = str(raised.value)
    assert message.startswith("ratings-v1: ")
    assert words in message
    assert str(tmp_path / "logs" / "ratings.log") in message
    if code == 3:
        assert message.endswith("out\nerr")


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    """The error at the start names process, program and reason."""
    with pytest.raises(ServiceError, match=r"reviews-v3: .*'no-such-program': No such file or directory"):
        start(["no-such-program"], name="reviews-v3", log=tmp_path / "log")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """The error names the working folder that does not exist."""
    with pytest.raises(ServiceError, match=r"reviews-v3: cannot run in .*/nowhere"):
        start(["true"], name="reviews-v3", log=tmp_path / "log", cwd=tmp_path / "nowhere")


def test_a_command_gets_only_the_given_environment(tmp_path: Path) -> None:
    """It does not inherit other variables."""
    with start(["/usr/bin/env"], name="env", log=tmp_path / "log", env={"A": "1", "LC_ALL": "C"}) as process:
        assert wait_until(lambda: not process.running(), timeout_s=30)
    assert sorted(process.tail().splitlines()) == ["A=1", "LC_ALL=C"]


def test_free_ports_are_not_returned_twice() -> None:
    """Returned ports are free, and are not returned again before they are bound."""
    ports = [*free_ports(20), *free_ports(20)]
    assert len(set(ports)) == 40
    assert all(is_free(port) for port in ports)


def test_the_holder_of_a_port_in_use_is_named(tmp_path: Path) -> None:
    """port_holder names the process that listens on a port."""
    port = free_ports(1)[0]
    with start(
        [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)], name="http", log=tmp_path / "log"
    ) as process:
        assert wait_until(lambda: not is_free(port), timeout_s=30)
        assert f"(pid {process.pid})" in port_holder(port)


def test_a_process_that_stands_still_can_end_by_itself(tmp_path: Path) -> None:
    """It is continued, so that it sees the SIGTERM; otherwise only SIGKILL would end it, after the whole grace period."""
    said = tmp_path / "said"
    program = (
        "import signal, sys, time; from pathlib import Path; said = Path(sys.argv[1])\n"
        "signal.signal(signal.SIGTERM, lambda *_: (said.write_text('goodbye'), sys.exit(0)))\n"
        "said.write_text('up')\nwhile True: time.sleep(600)"
    )
    with start([sys.executable, "-c", program, str(said)], name="still", log=tmp_path / "log") as process:
        assert wait_until(lambda: said.exists() and said.read_text() == "up", timeout_s=30)
        os.kill(process.pid, signal.SIGSTOP)
        process.stop(grace_s=60)
    assert "goodbye" == said.read_text()
