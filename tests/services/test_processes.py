"""Child processes end with the harness, however it ends."""

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

# A command with a child, a grandchild in its own session (which may ignore SIGTERM), and a daemon by double fork.
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
    """The program of a family of processes; ``then`` is what its head does in the end."""
    return FAMILY.replace("{then}", then).replace("{answer}", "SIG_IGN" if deaf else "SIG_DFL")


def pids_in(path: Path) -> list[int]:
    """Process ids of the family, once they are known."""
    assert wait_until(path.exists, timeout_s=30)
    return [int(pid) for pid in path.read_text().split()]


def living(pids: list[int]) -> list[int]:
    """Those of the processes that still run."""
    return [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


def started_harness(pids_file: Path, then: str = "time.sleep(600)", *, deaf: bool = False) -> subprocess.Popen[str]:
    """A process that has started a family and said so."""
    harness = subprocess.Popen(
        [sys.executable, "-c", HARNESS.replace("{then}", then), family(deaf=deaf), str(pids_file)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert harness.stdout is not None
    with harness.stdout:
        assert harness.stdout.readline() == "ready\n"
    return harness


def test_stop_ends_children_sessions_and_daemons(tmp_path: Path) -> None:
    """Leaving the context ends the command, its child, a deaf grandchild in its own session and a daemon."""
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
    """SIGKILL, SIGTERM and Ctrl-C of the harness leave no process behind, daemons included."""
    harness = started_harness(tmp_path / "pids", deaf=number is signal.SIGKILL)
    pids = pids_in(tmp_path / "pids")
    assert living(pids) == pids
    harness.send_signal(number)
    harness.wait(30)
    assert wait_until(lambda: living(pids) == [], timeout_s=30)


@pytest.mark.parametrize("then", ["raise RuntimeError", "__import__('os')._exit(3)", "pass"])
def test_an_exception_or_an_exit_of_the_harness_ends_the_whole_tree(tmp_path: Path, then: str) -> None:
    """An exception, an abrupt exit and a normal end leave no process behind."""
    harness = started_harness(tmp_path / "pids", then)
    harness.wait(30)
    assert wait_until(lambda: living(pids_in(tmp_path / "pids")) == [], timeout_s=30)


def test_a_forked_copy_of_the_harness_does_not_keep_the_tree_alive(tmp_path: Path) -> None:
    """A forked child that still holds the socket hides the end of file; the tree ends nevertheless on SIGKILL."""
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


def test_a_killed_supervisor_takes_its_command_along(tmp_path: Path) -> None:
    """When the supervisor itself is killed, the command dies too and stop cleans up its group."""
    with start(["sh", "-c", "sleep 600 & echo $!; wait"], name="group", log=tmp_path / "log") as process:
        assert wait_until(lambda: process.tail() != "", timeout_s=30)
        pids = [process.pid, int(process.tail())]
        os.kill(psutil.Process(process.pid).ppid(), signal.SIGKILL)
        assert wait_until(lambda: not process.running(), timeout_s=30)
    assert wait_until(lambda: living(pids) == [], timeout_s=30)


def test_the_end_of_the_starting_thread_ends_nothing(tmp_path: Path) -> None:
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


def test_what_a_command_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    """A command that ends by itself takes its daemons along and its exit code is handed on."""
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


def test_a_program_that_is_missing_is_named(tmp_path: Path) -> None:
    """A command that cannot be executed is an error at the start, naming process, program and reason."""
    with pytest.raises(ServiceError, match=r"reviews-v3: .*'no-such-program': No such file or directory"):
        start(["no-such-program"], name="reviews-v3", log=tmp_path / "log")


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    """A working folder that does not exist is an error that names it."""
    with pytest.raises(ServiceError, match=r"reviews-v3: cannot run in .*/nowhere"):
        start(["true"], name="reviews-v3", log=tmp_path / "log", cwd=tmp_path / "nowhere")


def test_the_environment_is_what_was_given(tmp_path: Path) -> None:
    """The command sees the given environment and nothing else."""
    with start(["/usr/bin/env"], name="env", log=tmp_path / "log", env={"A": "1", "LC_ALL": "C"}) as process:
        assert wait_until(lambda: not process.running(), timeout_s=30)
    assert sorted(process.tail().splitlines()) == ["A=1", "LC_ALL=C"]


def test_free_ports_are_not_handed_out_twice() -> None:
    """Ports that were handed out and are not bound yet are not handed out again, and are free."""
    ports = [*free_ports(20), *free_ports(20)]
    assert len(set(ports)) == 40
    assert all(is_free(port) for port in ports)


def test_the_holder_of_a_taken_port_is_named(tmp_path: Path) -> None:
    """Of a taken port it can be said which process listens on it."""
    port = free_ports(1)[0]
    with start(
        [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)], name="http", log=tmp_path / "log"
    ) as process:
        assert wait_until(lambda: not is_free(port), timeout_s=30)
        assert f"(pid {process.pid})" in port_holder(port)
