"""The program of a load pod: Locust as master or worker; the master also serves the run's folder over HTTP.

``python -m harness.load.child.pod master --order ORDER --profile PROFILE --folder FOLDER --workers N``
``python -m harness.load.child.pod worker --order ORDER --profile PROFILE --folder FOLDER --master HOST``

The master answers ``GET /state`` (files with their sizes, exit code), ``GET /file/NAME/OFFSET/LENGTH`` (bytes from there),
``GET /stop`` (send no more) and ``GET /end`` (the pod may end). It outlives Locust until it is told to end, so that
nothing that was recorded is lost, but not for ever. Only GET, because that is what the harness can ask a pod.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from harness.load.protocol.child_spec import read_order, write_order
from harness.load.protocol.commands import child_environment, master_command, worker_command
from harness.model.load import LoadPlan

LINGER_S = 600.0
"""How long a master keeps what was recorded after the end of the run."""
MOST_BYTES = 8 * 1024 * 1024
"""Of one answer."""
LOG = "locust.log"
_FILE = re.compile(r"/file/([\w.-]+)/(\d+)/(\d+)")


def main(arguments: list[str]) -> int:
    """Run one pod's program until it has ended."""
    args = _parser().parse_args(arguments)
    args.folder.mkdir(parents=True, exist_ok=True)
    plan = replace(read_order(args.order.read_text()), profile=args.profile.absolute())
    environment = child_environment(write_order(plan, args.folder), ship=True)
    if args.part == "worker":
        command = worker_command(plan, master=args.master, port=args.port)
        os.execve(command[0], command, environment)  # noqa: S606 - no shell is wanted
    return _lead(args, plan, environment)


def _lead(args: argparse.Namespace, plan: LoadPlan, environment: dict[str, str]) -> int:
    command = master_command(plan, workers=args.workers, bind=args.bind, port=args.port)
    ended = threading.Event()
    try:
        server = ThreadingHTTPServer(("127.0.0.1", args.files_port), BaseHTTPRequestHandler)
    except OSError as error:
        sys.exit(f"harness: --files-port {args.files_port}: expected a free port on 127.0.0.1: {error.strerror}")
    with (args.folder / LOG).open("wb") as log:
        locust = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment)
    server.RequestHandlerClass = _handler(args.folder, locust, ended)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: _end(locust, ended))
    try:
        locust.wait()
        ended.wait(args.linger)
    finally:
        locust.kill()
        server.shutdown()
        server.server_close()
    return locust.wait()


def _end(locust: subprocess.Popen[bytes], ended: threading.Event) -> None:
    locust.terminate()
    ended.set()


def _handler(folder: Path, locust: subprocess.Popen[bytes], ended: threading.Event) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self._body()
            self.send_response(200 if body is not None else 404)
            self.send_header("content-length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            """Nothing: the harness asks every second."""

        def _body(self) -> bytes | None:
            found = _FILE.fullmatch(self.path)
            if found is not None:
                return _read(folder / found[1], int(found[2]), min(int(found[3]), MOST_BYTES))
            if self.path == "/state":
                files = {path.name: path.stat().st_size for path in folder.iterdir() if path.suffix != ".part"}
                return json.dumps({"files": files, "exit_code": locust.poll()}).encode()
            if self.path == "/stop":
                locust.send_signal(signal.SIGUSR1)
                return b"stopping"
            if self.path == "/end":
                ended.set()
                return b"ending"
            return None

    return Handler


def _read(path: Path, offset: int, length: int) -> bytes | None:
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        stream.seek(offset)
        return stream.read(length)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("part", choices=["master", "worker"])
    parser.add_argument(
        "--order", type=Path, required=True, help="the plan, as harness.load.protocol.child_spec writes it"
    )
    parser.add_argument("--profile", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="where recordings go")
    parser.add_argument("--port", type=int, default=5557, help="of Locust's own link")
    parser.add_argument("--master", default="127.0.0.1", help="host of the master, for a worker")
    parser.add_argument("--workers", type=int, default=1, help="how many a master waits for")
    parser.add_argument("--bind", default="127.0.0.1", help="address a master listens on for workers")
    parser.add_argument(
        "--files-port",
        type=int,
        default=8089,
        help="of a master's recordings, on loopback only: port-forward reaches it",
    )
    parser.add_argument("--linger", type=float, default=LINGER_S, help="seconds a master waits to be told to end")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
