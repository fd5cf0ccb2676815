"""Run the services of a local mesh as processes: start callees first, watch them, stop them together.

``ServiceSet`` chooses the ports when it is created, so that proxies can be configured before any service runs. It
never restarts a service: a service that dies is a result of the run and must not be hidden.
"""

from __future__ import annotations

import http.client
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.clients.processes.child import Process, start, wait_until
from harness.clients.processes.ports import free_ports, is_free, port_holder
from harness.errors import PortError, ServiceError, WorkloadDeath
from harness.mesh.command_checks import require_commands
from harness.mesh.heartbeats import MISSES, Heartbeats
from harness.mesh.http2_check import speaks_http2
from harness.model.config import Config, Service, Workload
from harness.model.protocol import Protocol


def needed_workloads(config: Config) -> tuple[Workload, ...]:
    """Return both arms and every version of the services that the entry calls, directly or not; callees first."""
    arms = (config.baseline, config.canary)
    return tuple(
        workload
        for service in _callees_first(config, [config.entry, config.service])
        for workload in config.services[service].versions.values()
        if service != config.service or workload.version in arms
    )


def all_workloads(config: Config) -> tuple[Workload, ...]:
    """Return both arms and every other workload that can run locally; callees first."""
    return tuple(
        workload
        for service in _callees_first(config, config.services)
        for workload in config.services[service].versions.values()
        if workload.command or workload.address or workload in _arms(config)
    )


def _arms(config: Config) -> tuple[Workload, Workload]:
    return config.workload(config.service, config.baseline), config.workload(config.service, config.canary)


class ServiceSet:
    """Workloads that run together. Use it as a context manager: it stops the processes on exit.

    endpoints: the IPv4 address and port of each workload, by its name. further: the same for each further port of its
    service, by the workload's name and the port's.
    """

    def __init__(self, config: Config, workloads: Iterable[Workload], folder: Path) -> None:
        """Choose the ports; write one log file per workload to ``folder``.

        Raises ConfigError for a workload that cannot run locally.
        """
        self._config, self._folder = config, folder
        self.workloads = tuple(workloads)
        self.processes: dict[str, Process] = {}
        self._outbound: Callable[[Workload, str], str] | None = None
        self._heartbeats = Heartbeats()
        self.silenced: set[str] = set()
        """Workloads that an action stopped or paused on purpose: their silence is no death."""
        for workload in self.workloads:
            _require_runnable(config, workload)
        require_commands(config, self.workloads)
        chosen = iter(free_ports(sum(workload.address is None for workload in self.workloads)))
        self.endpoints: dict[str, tuple[str, int]] = {
            workload.name: _resolved(workload, workload.address) if workload.address else ("127.0.0.1", next(chosen))
            for workload in self.workloads
        }
        self.further = {workload.name: self._further(workload) for workload in self.workloads}

    def start(self, outbound: Callable[[Workload, str], str]) -> None:
        """Start every process and wait until all are healthy, callees before callers.

        outbound: returns the URL at which a workload reaches a service that it calls.
        Raises WorkloadDeath with the last log lines if a service dies, ServiceError if one does not become healthy in
        time, and PortError if a port is taken.
        """
        self._outbound = outbound
        waiting = list(self.workloads)
        while waiting:
            blocked = {workload.service for workload in waiting}
            ready = [item for item in waiting if not blocked & set(self._config.services[item.service].calls.values())]
            for workload in ready:
                if workload.command is not None:
                    self._start(workload, outbound)
            for workload in ready:
                self._await_health(workload)
            waiting = [workload for workload in waiting if workload not in ready]

    def check(self) -> None:
        """Raise WorkloadDeath if a process has ended, or if one arm stopped answering while the other one answers."""
        for workload in self.workloads:
            process = self.processes.get(workload.name)
            if process is not None and process.ended_how:
                raise _death(workload, process.ended_how, process)
        arms = [one for one in _arms(self._config) if one in self.workloads and one.name not in self.silenced]
        silent = self._heartbeats.silent((one.name, self._answers(one)) for one in arms)
        for workload in arms:
            if workload.name == silent:
                how = f"it missed {MISSES} health checks in a row while the other arm answered"
                silent_s = self._heartbeats.silent_s(silent)
                raise _death(workload, how, self.processes.get(workload.name), silent_s=silent_s)

    def _answers(self, workload: Workload) -> bool:
        host, port = self.endpoints[workload.name]
        return _said(host, port, self._config.services[workload.service]).isdecimal()

    def labels_of(self, name: str) -> Mapping[str, str]:
        """Return the pod labels of a workload; none while it is being added."""
        return next((one.labels for one in self.workloads if one.name == name), {})

    def stop_one(self, name: str) -> None:
        """Kill the process of one workload on purpose, as a crash does; ``check`` does not miss it."""
        self.silenced.add(name)
        self.processes.pop(name).stop(grace_s=0.0)

    def start_one(self, name: str) -> None:
        """Start the process of one workload again and wait until it is healthy. Raises as ``start`` does."""
        workload = next(one for one in self.workloads if one.name == name)
        if self._outbound is None:
            raise ServiceError(f"{name}: expected the services to have been started before one is started again")
        self._start(workload, self._outbound)
        self._await_health(workload)
        self.silenced.discard(name)

    def add(self, workload: Workload) -> None:
        """Start one more workload at a free port, and return when it is healthy. Raises as ``start`` does.

        A workload that does not become healthy is ended and forgotten.
        """
        if self._outbound is None:
            raise ServiceError(f"{workload.name}: expected the services to have been started, they have not")
        _require_runnable(self._config, workload)
        require_commands(self._config, [workload])
        self.endpoints[workload.name] = ("127.0.0.1", free_ports(1)[0])
        self.further[workload.name] = self._further(workload)
        try:
            self._start(workload, self._outbound)
            self._await_health(workload)
        except BaseException:  # also on Ctrl-C: its process would be ended by nobody
            self.remove(workload.name)
            raise
        self.workloads = (*self.workloads, workload)

    def remove(self, name: str) -> None:
        """End one workload, if it runs, and forget it."""
        self.workloads = tuple(one for one in self.workloads if one.name != name)
        process = self.processes.pop(name, None)
        if process is not None:
            process.stop()
        self.endpoints.pop(name, None)
        self.further.pop(name, None)
        self.silenced.discard(name)

    def runs(self, name: str) -> bool:
        """Return whether the process of a workload runs; a workload at an address of its own counts as running."""
        process = self.processes.get(name)
        return process.running() if process is not None else name in self.endpoints

    def stop(self) -> None:
        """Stop every process."""
        if self.processes:
            with ThreadPoolExecutor(len(self.processes)) as pool:
                list(pool.map(Process.stop, self.processes.values()))
            self.processes.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _further(self, workload: Workload) -> dict[str, tuple[str, int]]:
        """Return an address for each further port of a workload; without a command it answers for all at its own."""
        names = self._config.services[workload.service].ports
        if workload.command is None:
            return dict.fromkeys(names, self.endpoints[workload.name])
        return {name: ("127.0.0.1", port) for name, port in zip(names, free_ports(len(names)), strict=True)}

    def _start(self, workload: Workload, outbound: Callable[[Workload, str], str]) -> None:
        more = {f"{{port.{name}}}": port for name, (_, port) in self.further[workload.name].items()}
        ports = {"{port}": self.endpoints[workload.name][1], **more}
        for port in ports.values():
            if not is_free(port):
                raise PortError(_taken(workload, port))
        called = self._config.services[workload.service].called
        urls = {variable: outbound(workload, callee) for variable, callee in called.items()}
        own = {variable: _with_ports(value, ports) for variable, value in workload.env.items()}
        self.processes[workload.name] = start(
            [_with_ports(word, ports) for word in workload.command or ()],
            name=workload.name,
            log=self._folder / f"{workload.name}.log",
            env={**os.environ, **own, **urls},
            cwd=workload.folder or self._config.root,
        )

    def _await_health(self, workload: Workload) -> None:
        service = self._config.services[workload.service]
        host, port = self.endpoints[workload.name]
        process = self.processes.get(workload.name)
        answers: list[str] = []

        def healthy() -> bool:
            answers[:] = [_said(host, port, service)]
            if process is not None and not process.running():
                if not is_free(port):
                    raise PortError(_taken(workload, port))
                raise _death(workload, process.ended_how, process)
            return answers[0].isdecimal() and 200 <= int(answers[0]) < 400

        if not wait_until(healthy, timeout_s=service.ready_within_s):
            expected = _expected(f"{host}:{port}", service)
            log = f"\n{process.last_lines()}" if process else "; is it running, and is its address correct?"
            raise ServiceError(f"{workload.name}: {expected}, found: {answers[0]}{log}")


def _death(workload: Workload, how: str, process: Process | None, *, silent_s: float = 0.0) -> WorkloadDeath:
    log = process.last_lines() if process is not None else ""
    return WorkloadDeath(name=workload.name, labels=workload.labels, how=how, log=log, silent_s=silent_s)


def _callees_first(config: Config, wanted: Iterable[str]) -> tuple[str, ...]:
    """Return the wanted services and all that they call, directly or not; each comes after those that it calls."""
    order: list[str] = []

    def visit(service: str) -> None:
        if service not in order:
            for callee in config.services[service].calls.values():
                visit(callee)
            order.append(service)

    for service in wanted:
        visit(service)
    return tuple(order)


def _require_runnable(config: Config, workload: Workload) -> None:
    key = f"services.{workload.service}.versions.{workload.version}"
    if workload.command is None and workload.address is None:
        raise config.error(f"{key}.command", "expected a command or an address to run it locally, found neither")
    words = (*(workload.command or ()), *workload.env.values())
    if workload.address is None and not any("{port}" in word for word in words):
        expected = "expected {port} in the command or in env, as the port to listen on, found none"
        raise config.error(f"{key}.command", f"{expected}; put a fixed port into address")
    for name in config.services[workload.service].ports if workload.command else ():
        if not any(f"{{port.{name}}}" in word for word in words):
            expected = f"expected {{port.{name}}} in the command or in env, as the port to listen on for {name}"
            raise config.error(f"{key}.command", f"{expected}, found none")


def _with_ports(text: str, ports: Mapping[str, int]) -> str:
    for placeholder, port in ports.items():
        text = text.replace(placeholder, str(port))
    return text


def _resolved(workload: Workload, address: str) -> tuple[str, int]:
    """Return the IPv4 address and port of ``host:port``; the proxies need addresses, not names."""
    host, _, port = address.rpartition(":")
    try:
        return socket.gethostbyname(host), int(port)
    except OSError as error:
        raise ServiceError(f"{workload.name}: expected the name of a host, found {host!r}: {error}") from error


def _said(host: str, port: int, service: Service) -> str:
    """Return the status that a service answers, 200 for one that speaks HTTP/2, or the reason why it does not."""
    return speaks_http2(host, port) if service.protocol is Protocol.GRPC else _answer(host, port, service.health)


def _expected(address: str, service: Service) -> str:
    within = f"within {service.ready_within_s:g} s"
    if service.protocol is Protocol.GRPC:
        return f"expected {address} to speak HTTP/2 {within}, as every gRPC server does"
    return f"expected http://{address}{service.health} to answer 2xx or 3xx {within}"


def _answer(host: str, port: int, path: str) -> str:
    """Return the status of the response, or the reason why there was none."""
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", path)
        return str(connection.getresponse().status)
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()


def _taken(workload: Workload, port: int) -> str:
    remedy = "stop it or use another address" if workload.address else "start again"
    return f"{workload.name}: expected port {port} to be free, but {port_holder(port)} uses it; {remedy}"
