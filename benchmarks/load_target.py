"""A real Envoy as the target of load. It answers by itself, can be slowed down and counts every request."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.clients.processes.child import start, wait_until
from harness.clients.processes.ports import free_ports

SLOW_CANARY_S = 0.5
PRIORITY = -15


@dataclass(frozen=True)
class EnvoyTarget:
    """``url`` answers immediately. ``split_url`` splits by the header x-draw: one of ten values goes to the canary."""

    url: str
    split_url: str
    pid: int
    admin: str

    def requests(self) -> int:
        """Return the number of requests that Envoy has counted on ``url``."""
        return self._stat("http.plain.downstream_rq_completed")

    def connections(self) -> int:
        """Return the number of connections that ``url`` has accepted so far."""
        return self._stat("http.plain.downstream_cx_total")

    def delay(self, percent: int) -> None:
        """Delay this percentage of the requests to ``url`` by 1 s from now on."""
        self._post(f"/runtime_modify?fault.http.delay.fixed_delay_percent={percent}")

    def slow_canary(self, percent: int) -> None:
        """Delay this percentage of the canary's answers by 500 ms from now on."""
        self._post(f"/runtime_modify?canary.delay_percent={percent}")

    @contextmanager
    def stalled(self) -> Iterator[None]:
        """Suspend the whole Envoy process inside the block."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def _stat(self, name: str) -> int:
        with urllib.request.urlopen(f"{self.admin}/stats?filter=^{name}$&format=json", timeout=5) as answer:
            return int(json.load(answer)["stats"][0]["value"])

    def _post(self, path: str) -> None:
        urllib.request.urlopen(self.admin + path, data=b"", timeout=5).close()


def raise_priority(pid: int) -> None:
    """Raise the priority of a process where the system allows it. All compared processes get the same priority."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, pid, PRIORITY)
        with contextlib.suppress(OSError):
            Path(f"/proc/{pid}/autogroup").write_text(str(PRIORITY))


@contextmanager
def envoy_target(folder: Path, *, core: int | None) -> Iterator[EnvoyTarget]:
    """Run an Envoy with one worker thread, pinned to ``core`` unless it is None."""
    admin, plain, split, baseline, canary = free_ports(5)
    config = folder / "envoy.json"
    config.write_text(json.dumps(_config(admin, plain, split, baseline, canary)))
    program = str(Path(sys.executable).with_name("envoy"))
    command = [program, "-c", str(config), "--disable-hot-restart", "--concurrency", "1", "-l", "warning"]
    with start(command, name="envoy", log=folder / "envoy.log") as process:
        raise_priority(process.pid)
        if core is not None:
            for thread in (Path("/proc") / str(process.pid) / "task").iterdir():
                os.sched_setaffinity(int(thread.name), {core})
        target = EnvoyTarget(
            f"http://127.0.0.1:{plain}", f"http://127.0.0.1:{split}", process.pid, f"http://127.0.0.1:{admin}"
        )

        def answers() -> bool:
            process.check()
            try:
                urllib.request.urlopen(target.url, timeout=1).close()
            except OSError:
                time.sleep(0.05)
                return False
            return True

        if not wait_until(answers, timeout_s=20):
            raise SystemExit(f"Envoy does not answer; {process.last_lines()}")
        yield target


def _config(admin: int, plain: int, split: int, baseline: int, canary: int) -> dict[str, Any]:
    answer = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "fine"}}}
    weights = [{"name": "baseline", "weight": 9}, {"name": "canary", "weight": 1}]
    arms = {"clusters": [{**each, "response_headers_to_add": [_header(each["name"])]} for each in weights]}
    split_route = {"match": {"prefix": "/"}, "route": {"weighted_clusters": {**arms, "header_name": "x-draw"}}}
    return {
        "admin": {"address": _address(admin)},
        "layered_runtime": {"layers": [{"name": "admin", "admin_layer": {}}]},
        "static_resources": {
            "listeners": [
                _listener("plain", plain, answer, _delay(1.0, "fault.http.delay.fixed_delay_percent")),
                _listener("split", split, split_route),
                _listener("baseline", baseline, answer),
                _listener("canary", canary, answer, _delay(SLOW_CANARY_S, "canary.delay_percent")),
            ],
            "clusters": [_cluster("baseline", baseline), _cluster("canary", canary)],
        },
    }


def _header(arm: str) -> dict[str, Any]:
    return {"header": {"key": "x-harness-arm", "value": arm}}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _delay(seconds: float, runtime: str) -> dict[str, Any]:
    kind = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"
    return {
        "name": "envoy.filters.http.fault",
        "typed_config": {
            "@type": kind,
            "delay": {"fixed_delay": f"{seconds}s", "percentage": {"numerator": 0, "denominator": "HUNDRED"}},
            "delay_percent_runtime": runtime,
        },
    }


def _listener(name: str, port: int, route: dict[str, Any], *filters: dict[str, Any]) -> dict[str, Any]:
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
    }
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "codec_type": "AUTO",
        "route_config": {"virtual_hosts": [{"name": name, "domains": ["*"], "routes": [route]}]},
        "http_filters": [*filters, router],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    return {"name": name, "address": _address(port), "filter_chains": [chain]}


def _cluster(name: str, port: int) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(port)}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
