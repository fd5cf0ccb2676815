"""A real Prometheus that scrapes a page of Istio's metrics made here."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from needed import needed_program

from harness.clients.processes.child import start, wait_until
from harness.clients.processes.ports import free_ports

BEGAN = time.time()
LE = (5, 10, 25, 50, 100, float("inf"))


def page(prefix):
    """Counters that grow by 100 requests a second and arm; the canary fails a tenth and is slower."""
    seconds = time.time() - BEGAN
    lines = []
    for version, failing, slow in (("v2", 0.0, 0.0), ("v3", 0.1, 1.0)):
        labels = f'destination_service_name="reviews",destination_version="{version}"'
        for code, share in (("200", 1 - failing), ("503", failing)):
            lines.append(f'{prefix}istio_requests_total{{{labels},response_code="{code}"}} {100 * seconds * share:.3f}')
        for le in LE:
            share = 1.0 if le >= (50 if slow else 10) else 0.0
            text = "+Inf" if le == float("inf") else f"{le:g}"
            name = f"{prefix}istio_request_duration_milliseconds_bucket"
            lines.append(f'{name}{{{labels},le="{text}"}} {100 * seconds * share:.3f}')
    return "\n".join(lines) + "\n"


class _Metrics(BaseHTTPRequestHandler):
    def do_GET(self):
        body = page("envoy_").encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory):
    """The URL of a Prometheus that has scraped for some seconds."""
    program = needed_program("prometheus", package="prometheus", purpose="for real server-side series")
    folder = tmp_path_factory.mktemp("prometheus")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Metrics)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 500ms}\n"
        f"scrape_configs: [{{job_name: mesh, static_configs: [{{targets: ['127.0.0.1:{server.server_address[1]}']}}]}}]\n"
    )
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    command = [
        program, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address={url.removeprefix('http://')}", "--log.level=error",
    ]  # fmt: skip
    with start(command, name="prometheus", log=folder / "log"):
        assert wait_until(lambda: _scraped(url) >= 10, timeout_s=60, interval_s=0.2)
        yield url
    server.shutdown()
    server.server_close()


def _scraped(url):
    """How often the page has been scraped within the last ten seconds."""
    query = urllib.parse.quote("max(count_over_time(up[10s]))")
    try:
        with urllib.request.urlopen(f"{url}/api/v1/query?query={query}", timeout=2) as answer:
            result = json.load(answer)["data"]["result"]
    except (urllib.error.URLError, OSError):
        return 0
    return int(result[0]["value"][1]) if result else 0
