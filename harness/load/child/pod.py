"""The program of a load pod: Locust as master or worker; the master also serves the run's folder over HTTP.

``python -m harness.load.child.pod master --spec SPEC --profile PROFILE --folder FOLDER --workers N``
``python -m harness.load.child.pod worker --spec SPEC --profile PROFILE --folder FOLDER --master HOST``

The master answers ``GET /state`` (file sizes and the exit code), ``GET /file/NAME/OFFSET/LENGTH`` (a part of a file),
``GET /stop`` (send no more requests) and ``GET /end`` (the pod may end). After Locust has exited, the master keeps
serving until it is told to end, so that no recording is lost, but only for a limited time. It uses only GET, because
the harness can send only GET requests to a pod.
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

from harness.load.protocol.child_spec import SPEC_FILE, decode_spec, write_spec
from harness.load.protocol.commands import child_environment, master_command, worker_command
from harness.model.load import LoadPlan

LINGER_S = 600.0
"""How long a master serves the recordings after the end of the run."""
MOST_BYTES = 8 * 1024 * 1024
"""Size limit of one answer."""
LOG = "locust.log"
_FILE = re.compile(r"/file/([\w.-]+)/(\d+)/(\d+)")


def main(arguments: list[str]) -> int:
    """Run the master or worker of one pod until it has ended."""
    args = _parser().parse_args(arguments)
    args.folder.mkdir(parents=True, exist_ok=True)
    plan = replace(decode_spec(args.spec.read_text()), profile=args.profile.absolute())
    environment = child_environment(write_spec(plan, args.folder), upload=True)
    if args.role == "worker":
        command = worker_command(plan, master=args.master, port=args.port)
        os.execve(command[0], command, environment)  # noqa: S606 - no shell is wanted
    return _run_master(args, plan, environment)


def _run_master(args: argparse.Namespace, plan: LoadPlan, environment: dict[str, str]) -> int:
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
            """Log nothing, because the harness sends a request every second."""

        def _body(self) -> bytes | None:
            found = _FILE.fullmatch(self.path)
            if found is not None and found[1] != SPEC_FILE:  # its headers and URL may hold credentials
                return _read(folder / found[1], int(found[2]), min(int(found[3]), MOST_BYTES))
            if self.path == "/state":
                shown = [path for path in folder.iterdir() if path.suffix != ".part" and path.name != SPEC_FILE]
                files = {path.name: path.stat().st_size for path in shown}
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
    parser.add_argument("role", choices=["master", "worker"])
    parser.add_argument("--spec", type=Path, required=True, help="specification of the run, as JSON")
    parser.add_argument("--profile", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="folder for the recordings")
    parser.add_argument("--port", type=int, default=5557, help="port of Locust's own connection")
    parser.add_argument("--master", default="127.0.0.1", help="host of a worker's master")
    parser.add_argument("--workers", type=int, default=1, help="how many workers a master waits for")
    parser.add_argument("--bind", default="127.0.0.1", help="address on which a master listens for workers")
    parser.add_argument(
        "--files-port",
        type=int,
        default=8089,
        help="loopback port on which a master serves its recordings; port-forward reaches it",
    )
    parser.add_argument("--linger", type=float, default=LINGER_S, help="seconds that a master waits to be told to end")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
