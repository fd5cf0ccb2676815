"""Measure the local mesh from the server side: a Prometheus on loopback, or polled pages where none is installed.

Both see the same: Envoy's own page with Istio's metrics, and a page with the gauges of the processes. Prometheus gets
native histograms from Envoy. It keeps its data in the run's folder while the mesh runs, and the folder is removed then.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

from harness.clients.envoy.admin import Admin
from harness.clients.http import http_get
from harness.clients.processes.child import start, wait_until
from harness.clients.processes.gauges import page
from harness.clients.processes.ports import free_ports
from harness.errors import EnvoyError, MeshError, MetricsError
from harness.model.server_side import ServerSide

INTERVAL_S = 0.5
_READY_WITHIN_S = 20.0
_FILTER = "istio"
_RETENTION = "2h"
_TARGETS = 2


class LocalMetrics:
    """The server side of one local mesh. Nothing runs until ``watch``; ``close`` ends everything."""

    def __init__(
        self, admin: Admin, pids: Callable[[], Mapping[str, int]], folder: Path, *, namespace: str, program: str | None
    ) -> None:
        """pids: returns the process of each workload. program: that of Prometheus; None to poll pages instead."""
        self._admin, self._pids, self._namespace = admin, pids, namespace
        self._folder, self._program = folder, program
        self._running = ExitStack()
        self._url: str | None = None
        self._pages: list[tuple[float, str]] = []
        self._watching = False

    def watch(self) -> None:
        """Start to measure, unless that has been done. Raises MetricsError if Prometheus does not start."""
        if self._watching:
            return
        self._watching = True
        if self._program is None:
            self._poll()
        else:
            self._url = self._prometheus(self._program)

    def server_side(self) -> ServerSide | None:
        """Return where the metrics can be read; None if nothing has been measured."""
        if not self._watching:
            return None
        return ServerSide(url=self._url, pages=tuple(self._pages))

    def close(self) -> None:
        """End everything that ``watch`` started."""
        self._running.close()
        self._watching = False

    def _processes(self) -> str:
        return page(self._pids(), namespace=self._namespace)

    def _prometheus(self, program: str) -> str:
        folder = self._folder / "prometheus"
        folder.mkdir(parents=True, exist_ok=True)
        own = self._running.enter_context(_Served(self._processes))
        config = folder / "prometheus.yml"
        config.write_text(json.dumps(_config(self._admin.port, own.port)))
        port = free_ports(1)[0]
        command = [
            program,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--storage.tsdb.retention.time={_RETENTION}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--enable-feature=native-histograms",
            "--log.level=warn",
        ]
        self._running.callback(shutil.rmtree, folder / "data", ignore_errors=True)
        process = self._running.enter_context(start(command, name="prometheus", log=folder / "prometheus.log"))
        url = f"http://127.0.0.1:{port}"

        def scraped() -> bool:
            """Return whether both pages were scraped; Prometheus begins some five seconds after its start."""
            process.check()
            try:
                answer = json.loads(http_get(f"{url}/api/v1/query?query=sum(up)", timeout_s=1.0))
            except (MeshError, ValueError):
                return False
            return [one["value"][1] for one in answer["data"]["result"]] == [str(_TARGETS)]

        if not wait_until(scraped, timeout_s=_READY_WITHIN_S, interval_s=0.1):
            raise MetricsError(f"expected Prometheus to scrape within {_READY_WITHIN_S:g} s; {process.last_lines()}")
        return url

    def _poll(self) -> None:
        stop = threading.Event()

        def polling() -> None:
            while not stop.wait(INTERVAL_S):
                try:
                    text = self._admin.prometheus(_FILTER)
                except EnvoyError:
                    continue  # the mesh's own check reports an Envoy that died; a page that is missing is a gap
                self._pages.append((time.time(), f"{text}\n{self._processes()}"))

        thread = threading.Thread(target=polling, name="metrics", daemon=True)
        thread.start()
        self._running.callback(thread.join)
        self._running.callback(stop.set)


class _Served:
    """A page on loopback that is made for every request. As a context manager it stops on exit."""

    def __init__(self, text: Callable[[], str]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = text().encode()
                with contextlib.suppress(ConnectionError):  # a scrape that took too long has hung up
                    self.send_response(200)
                    self.send_header("Content-Type", "text/plain; version=0.0.4")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Write no log."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _config(envoy: int, processes: int) -> object:
    """Return the configuration of Prometheus; JSON is YAML."""
    return {
        "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms"},
        "scrape_configs": [
            {
                "job_name": "envoy",
                "metrics_path": "/stats/prometheus",
                "params": {"histogram_buckets": ["prometheusnative"], "filter": [_FILTER]},
                "static_configs": [{"targets": [f"127.0.0.1:{envoy}"]}],
            },
            {"job_name": "processes", "static_configs": [{"targets": [f"127.0.0.1:{processes}"]}]},
        ],
    }
