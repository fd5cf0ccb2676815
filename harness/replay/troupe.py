"""Start and steer the stand-in process of a replay."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from harness.clients.http import http_get, http_send_body
from harness.clients.processes.child import Process, start, wait_until
from harness.errors import MeshError, ServiceError
from harness.replay.script import Correction, Script, script_text

_READY_S, _ANSWER_S = 30.0, 5.0


class Troupe:
    """The running stand-ins. addresses: ``host:port`` of each workload that they play, by its name."""

    def __init__(self, process: Process, ports: Mapping[str, int]) -> None:
        """ports: of each workload; that of the empty name is for control."""
        self._process, self._control = process, f"http://127.0.0.1:{ports['']}"
        self.pid = process.pid
        self.addresses = {name: f"127.0.0.1:{port}" for name, port in ports.items() if name}

    def begin(self, phase: str) -> None:
        """Answer as in this phase from now on. Raises ServiceError if the process has died."""
        self._tell(f"/phase/{quote(phase)}")

    def take_off(self, workload: str, correction: Correction) -> None:
        """Answer so much earlier than recorded, for what the machine adds. Raises ServiceError like ``begin``."""
        text = ",".join(f"{latency:.3f}:{off:.3f}" for latency, off in correction)
        self._tell(f"/overhead/{quote(workload)}/{text}")

    def _tell(self, path: str) -> None:
        try:
            http_send_body("POST", f"{self._control}{path}", body=b"", headers={}, timeout_s=_ANSWER_S)
        except MeshError as error:
            self._process.check()
            raise ServiceError(f"stand-ins: expected an answer from their process, found none: {error}") from error

    def counts(self) -> tuple[float, dict[str, dict[str, int]]]:
        """Return the CPU seconds that the process has used, and what each workload was asked."""
        document = json.loads(http_get(f"{self._control}/counts", timeout_s=_ANSWER_S))
        return document["cpu_s"], document["counts"]

    def check(self) -> None:
        """Raise ServiceError if the process has died."""
        self._process.check()


@contextmanager
def playing(script: Script, folder: Path) -> Iterator[Troupe]:
    """Run the stand-ins of a script in one process; end it on exit.

    folder: where the script and the log are written. Raises ServiceError if it does not listen in time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written, ports = folder / "stand-ins.json", folder / "stand-ins.ports.json"
    ports.unlink(missing_ok=True)
    written.write_text(script_text(script))
    command = [sys.executable, "-m", "harness.replay.stand_in", str(written), str(ports)]
    with start(command, name="stand-ins", log=folder / "stand-ins.log") as process:
        if not wait_until(lambda: ports.is_file() or not process.running(), timeout_s=_READY_S) or not ports.is_file():
            process.check()
            raise ServiceError(f"stand-ins: expected them to listen within {_READY_S:g} s; {process.last_lines()}")
        yield Troupe(process, json.loads(ports.read_text()))
