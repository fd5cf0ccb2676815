"""A real Envoy process on loopback whose clusters and route tables can be changed while it runs.

Envoy gets them by filesystem xDS: we write a file next to the watched one and rename it over the watched one, and Envoy
reads it within milliseconds. We verify this at Envoy's admin port, which counts accepted and rejected updates; the log
contains the reason for a rejection. Envoy binds its listeners to port 0 itself, so two runs never get the same port.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from harness.clients.envoy.admin import Admin, UpdateCounts
from harness.clients.envoy.files import Files, table_file, table_files, typed, versions_of, write_files
from harness.clients.processes.child import Process, start, wait_until
from harness.clients.processes.ports import port_holder
from harness.errors import EnvoyError, EnvoyRejection, PortError, ServiceError
from harness.model.json import JsonObject

START_TIMEOUT_S = 30.0
LIVE_TIMEOUT_S = 10.0
POLL_S = 0.003
SOON_S = 0.25
"""How long to wait for an update before asking whether it was rejected."""
CLUSTERS, LISTENERS = "cds", "lds"
_CLUSTER_FILE, _LISTENER_FILE = "cds.json", "lds.json"
_REGEX_SIZE = "re2.max_program_size.error_level"
_REASON = re.compile(
    r"(?:update rejected|Error adding/updating (?:cluster|listener)\(s\)):? *"
    r"(?:goo\.gle/\S+ *\n.*?\n: *)?(?P<reason>[^\n]+)",
    re.DOTALL,
)
"""When a constraint is violated, Envoy prints the whole configuration before the reason."""
_PORT_IN_USE = re.compile(r"cannot bind '?([\d.]+):(\d+)'?.*[Aa]ddress already in use")


_Versioned: TypeAlias = dict[str, tuple[str, JsonObject]]
"""By name: what Envoy serves, after the version of the file that it is from."""
_Read: TypeAlias = Callable[[], _Versioned]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The configuration that can change while Envoy runs, as Envoy's JSON.

    tables: route tables by name. listeners: in addition to those that Envoy was started with.
    """

    clusters: tuple[JsonObject, ...] = ()
    tables: Mapping[str, JsonObject] = field(default_factory=dict)
    listeners: tuple[JsonObject, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What of an update Envoy serves, as its admin port shows it, by name. What has not changed is left out.

    So are route tables of which Envoy shows the version that we wrote: it is the hash of what is in the table.
    """

    clusters: Mapping[str, JsonObject]
    tables: Mapping[str, JsonObject]


class Envoy:
    """A running Envoy. Used as a context manager, it is stopped on exit."""

    def __init__(self, process: Process, admin: Admin, folder: Path, snapshot: Snapshot) -> None:
        """Call ``start_envoy`` instead."""
        self.admin = admin
        self._process, self._folder, self._live, self._version = process, folder, snapshot, 1
        self._rejected: Mapping[str, UpdateCounts] = {}
        """The counters after the last failure."""
        self._unsure = False
        """Whether an update has failed since the last one that succeeded, so that Envoy may serve parts of it."""

    @property
    def folder(self) -> Path:
        """Where its configuration is."""
        return self._folder

    @property
    def pid(self) -> int:
        """The id of the Envoy process."""
        return self._process.pid

    def check(self) -> None:
        """Raise EnvoyError with the last lines of the log if Envoy has ended."""
        try:
            self._process.check()
        except ServiceError as error:
            raise EnvoyError(str(error)) from error

    def update(self, snapshot: Snapshot, *, insist: bool = False) -> Served:
        """Apply ``snapshot``, clusters before the routes that use them. Returns once Envoy serves what has changed.

        Raises EnvoyRejection if Envoy rejects a part. The previous snapshot is then in force again. It is also in force
        again if Envoy does not answer in time, unless the caller will ``insist`` and try again.
        """
        before = self._live
        try:
            return self._apply(snapshot)
        except EnvoyError as rejected:
            self.check()
            if insist and not isinstance(rejected, EnvoyRejection):
                raise
            try:
                self._apply(before)
            except EnvoyError as error:
                raise EnvoyError(
                    f"{rejected}\nand the previous configuration could not be restored: {error}"
                ) from rejected
            raise

    def _apply(self, snapshot: Snapshot) -> Served:
        wanted = {str(cluster["name"]): cluster for cluster in snapshot.clusters}
        live = {str(cluster["name"]): cluster for cluster in self._live.clusters}
        clusters = self._write_clusters({**live, **wanted})
        self._write_listeners(snapshot)
        tables = self._write_tables(snapshot.tables)
        self._write_clusters(wanted)
        self._unsure = False
        return Served(clusters=clusters, tables=tables)

    def _write_clusters(self, clusters: Mapping[str, JsonObject]) -> Mapping[str, JsonObject]:
        """Return the clusters that have changed as Envoy serves them."""
        live = {str(cluster["name"]): cluster for cluster in self._live.clusters}
        if clusters == live and not self._unsure:
            return {}
        changed = [name for name, cluster in clusters.items() if self._unsure or cluster != live.get(name)]
        removed = [name for name in live if name not in clusters]
        self._live = replace(self._live, clusters=tuple(clusters.values()))
        written = [typed("cluster.v3.Cluster", item) for item in clusters.values()]
        read = partial(self.admin.versioned_clusters, (*changed, *removed))
        version = self._next_version()
        return self._write({CLUSTERS: (_CLUSTER_FILE, version, written)}, dict.fromkeys(changed, version), read)

    def _write_listeners(self, snapshot: Snapshot) -> None:
        """Add and remove listeners. Tables that only new ones use are written first: Envoy reads them at once."""
        if snapshot.listeners == self._live.listeners and not self._unsure:
            return
        fresh = {name: table for name, table in snapshot.tables.items() if name not in self._live.tables}
        files, log_size = table_files(fresh), self._process.log.stat().st_size
        write_files(self._folder, files)
        live = {str(listener["name"]): listener for listener in self._live.listeners}
        wanted = {str(listener["name"]): listener for listener in snapshot.listeners}
        changed = [name for name, listener in wanted.items() if self._unsure or listener != live.get(name)]
        tables = {name: table for name, table in self._live.tables.items() if name in snapshot.tables}
        self._live = replace(self._live, listeners=snapshot.listeners, tables={**tables, **fresh})
        written = [typed("listener.v3.Listener", item) for item in snapshot.listeners]
        gone = [name for name in live if name not in wanted]
        read = partial(self.admin.versioned_listeners, (*changed, *gone))
        version = self._next_version()
        self._write({LISTENERS: (_LISTENER_FILE, version, written)}, dict.fromkeys(changed, version), read)
        if files:
            self._await_tables(files, log_size)

    def _await_tables(self, files: Files, log_size: int) -> None:
        """Wait until Envoy serves the tables of new listeners, in place of those of ending ones with the same names."""
        if self._seen(files, versions_of(files), partial(self.admin.table_versions, tuple(files))) is None:
            self._unsure = True
            raise self._failure(files, log_size)

    def _write_tables(self, tables: Mapping[str, JsonObject]) -> Mapping[str, JsonObject]:
        """Return the route tables that have changed as Envoy serves them, unless their versions prove it."""
        live = {} if self._unsure else self._live.tables
        changed = {name: table for name, table in tables.items() if table != live.get(name)}
        if not changed:
            return {}
        self._live = replace(self._live, tables={**self._live.tables, **changed})
        files = table_files(changed)
        if self._unsure:
            return self._write(files, versions_of(files), partial(self.admin.versioned_tables, tuple(changed)))
        self._write(files, versions_of(files), partial(self.admin.table_versions, tuple(changed)))
        return {}

    def _next_version(self) -> str:
        self._version += 1
        return str(self._version)

    def _write(self, files: Files, versions: Mapping[str, str], read: _Read) -> Mapping[str, JsonObject]:
        """Write files, wait until Envoy serves them, and return what it serves. Raises EnvoyRejection if it refuses.

        versions: of what ``read`` must find then, and nothing else, by name.
        """
        unsure, log_size = self._unsure, self._process.log.stat().st_size
        before = self.admin.updates() if unsure else {}
        try:
            write_files(self._folder, files)
            served = self._counted(files, before, read) if unsure else self._seen(files, versions, read)
            if served is None:
                raise self._failure(files, log_size)
        except EnvoyError:
            self._unsure = True
            raise
        return {name: one for name, (_, one) in served.items()}

    def _seen(self, files: Files, versions: Mapping[str, str], read: _Read) -> _Versioned | None:
        """Wait until Envoy shows the versions; return what it serves, or None if it does not.

        The counters of files are slow to read in a large mesh, so they are read only when Envoy takes its time.
        """
        served: _Versioned = {}

        def seen() -> bool:
            served.clear()
            served.update(read())
            return {name: version for name, (version, _) in served.items()} == versions

        def decided() -> bool:
            return seen() or self._refused(files)

        soon = wait_until(seen, timeout_s=SOON_S, interval_s=POLL_S)
        if soon or (wait_until(decided, timeout_s=LIVE_TIMEOUT_S, interval_s=POLL_S) and seen()):
            return served
        return None

    def _counted(self, files: Files, before: Mapping[str, UpdateCounts], read: _Read) -> _Versioned | None:
        """Wait until Envoy has counted the files; return what it serves, or None if it refused one or read none.

        Envoy keeps the version of what does not differ from what it serves, so versions say nothing after a failure.
        """

        def counted() -> bool:
            now = self.admin.updates()
            return all(now.get(name) != before.get(name) for name in files)

        in_time = wait_until(counted, timeout_s=LIVE_TIMEOUT_S, interval_s=POLL_S)
        return read() if in_time and not self._refused(files) else None

    def _failure(self, files: Files, log_size: int) -> EnvoyError:
        """Return why Envoy does not serve the files."""
        refused = self._refused(files)
        self._rejected = self.admin.updates()
        if refused:
            return EnvoyRejection(self._reason(log_size))
        return EnvoyError(
            f"expected Envoy to read {', '.join(files)} in {self._folder} within {LIVE_TIMEOUT_S:g} s, it did not\n"
            f"{self._process.last_lines()}"
        )

    def _refused(self, files: Files) -> bool:
        now, none = self.admin.updates(), UpdateCounts(accepted=0, rejected=0)
        return any(now.get(name, none).rejected > self._rejected.get(name, none).rejected for name in files)

    def require_accepted(self) -> None:
        """Raise EnvoyRejection if Envoy rejected a part of its initial configuration."""
        if any(update.rejected for update in self.admin.updates().values()):
            raise EnvoyRejection(self._reason(0))

    def _reason(self, log_size: int) -> str:
        """Return Envoy's reason from the part of its log after the first ``log_size`` bytes."""
        with self._process.log.open("rb") as log:
            log.seek(log_size)
            found = _REASON.search(log.read().decode(errors="replace"))
        if found is None:
            return f"no reason found in {self._process.log}"
        return found["reason"].rpartition(" | caused by ")[2].rstrip(")")

    def stop(self) -> None:
        """Stop the process."""
        self._process.stop(grace_s=2.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start_envoy(
    binary: Path,
    folder: Path,
    *,
    listeners: Sequence[JsonObject],
    snapshot: Snapshot,
    clusters: Sequence[JsonObject] = (),
    runtime: JsonObject | None = None,
    node: str = "harness",
) -> Envoy:
    """Start Envoy with ``listeners`` (Envoy's JSON). Returns once it accepts connections.

    folder: where its configuration and its log ``envoy.log`` are written. A listener refers to its route table with
    ``routes_from(folder, name)``. clusters: that never change. runtime: Envoy's own switches. Raises EnvoyError if
    Envoy does not start, EnvoyRejection if it rejects the configuration, and PortError if a port is in use.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    clusters_now = [typed("cluster.v3.Cluster", item) for item in snapshot.clusters]
    listeners_now = [typed("listener.v3.Listener", item) for item in snapshot.listeners]
    both: Files = {CLUSTERS: (_CLUSTER_FILE, "1", clusters_now), LISTENERS: (_LISTENER_FILE, "1", listeners_now)}
    write_files(folder, {**both, **table_files(snapshot.tables)})
    bootstrap = folder / "bootstrap.json"
    bootstrap.write_text(json.dumps(_bootstrap(folder, listeners, clusters, runtime or {}, node)))
    address = folder / "admin-address"
    address.unlink(missing_ok=True)
    options = ["--disable-hot-restart", "--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warn"]
    command = [str(binary), "-c", str(bootstrap), "--admin-address-path", str(address), *options]
    process = start(command, name="envoy", log=folder / "envoy.log")
    try:
        envoy = Envoy(process, _wait_for_start(process, address), folder, snapshot)
        envoy.require_accepted()
    except BaseException:  # also on Ctrl-C: no Envoy may outlive its run
        process.stop(grace_s=1.0)
        raise
    return envoy


def routes_from(folder: Path, name: str) -> JsonObject:
    """Return the ``rds`` section of a connection manager that uses the route table ``name``."""
    return {"route_config_name": name, "config_source": _from_file(folder.resolve() / table_file(name))}


def _wait_for_start(process: Process, address: Path) -> Admin:
    def ended_or_written() -> bool:
        return not process.running() or (address.is_file() and ":" in address.read_text())

    if wait_until(ended_or_written, timeout_s=START_TIMEOUT_S) and process.running():
        admin = Admin(port=int(address.read_text().rpartition(":")[2]))

        def ended_or_ready() -> bool:
            return not process.running() or _is_ready(admin)

        if wait_until(ended_or_ready, timeout_s=START_TIMEOUT_S) and process.running():
            return admin
    raise _start_error(process)


def _is_ready(admin: Admin) -> bool:
    try:
        return admin.ready()
    except EnvoyError:
        # Either its listeners make it exit, or it has not opened its admin port yet. Its log tells which.
        return False


def _start_error(process: Process) -> EnvoyError | PortError:
    taken = _PORT_IN_USE.search(process.tail(50))
    if taken:
        port = int(taken.group(2))
        return PortError(f"expected port {port} to be free, {port_holder(port)} holds it; stop that or choose another")
    state = "it ended" if not process.running() else f"it was not ready within {START_TIMEOUT_S:g} s"
    return EnvoyError(f"expected Envoy to start, {state}\n{process.last_lines()}")


def _bootstrap(
    folder: Path,
    listeners: Sequence[JsonObject],
    clusters: Sequence[JsonObject],
    runtime: JsonObject,
    node: str,
) -> JsonObject:
    layer: JsonObject = {"name": "as Istio's bootstrap", "static_layer": {_REGEX_SIZE: 32768, **runtime}}
    return {
        "node": {"id": node, "cluster": node},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "dynamic_resources": {
            "cds_config": _from_file(folder / _CLUSTER_FILE),
            "lds_config": _from_file(folder / _LISTENER_FILE),
        },
        "static_resources": {"listeners": list(listeners), "clusters": list(clusters)},
        "stats_flush_on_admin": True,
        "layered_runtime": {"layers": [layer]},
    }


def _from_file(path: Path) -> JsonObject:
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}
