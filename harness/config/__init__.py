"""The only reader of configuration files: ``harness.yaml`` in, ``Config`` out.

Relative paths are relative to the file. Durations are texts such as ``250ms`` or ``1m30s``, or seconds.
All keys with their defaults, on an example where ``reviews`` is under test and calls ``ratings``::

    service: reviews                  # the service under test (required)
    arms: {baseline: v2, canary: v3}  # versions of it (required)
    split: 50%                        # share of requests to the canary; or {by: weight, header or mirror, share: 50%}
    entry: reviews                    # where load is sent; default: the service under test
    namespace: default
    services:                         # every service of the mesh (required)
      ratings:
        port: 9080                    # of the service in the mesh; default 80
        health: /health               # answers 2xx or 3xx when ready
        ready-within: 30s             # of its start
        versions:
          v1: {command: ["{python}", ratings.py, --port, "{port}"]}
      reviews:
        calls: {RATINGS_URL: ratings} # the variable gets the URL of ratings in the mesh
        command: [bin/reviews, "--listen=127.0.0.1:{port}"]  # for every version without its own
        env: {LOG: warn}              # for every version, which may add its own
        versions:
          v2: {labels: {app: reviews, version: v2}}          # these labels are the default
          v3: {command: [bin/reviews-next, "{port}"], env: {LOG: debug}}
          v4: {command: [bin/fixed], address: "127.0.0.1:9999"}  # listens on no other port
      billing:
        versions: {v1: {address: "127.0.0.1:8080"}}          # runs already
    istio: [istio/*.yaml]             # Istio resources; default: none
    load: {profile: browse, rate: 100, arrivals: poisson, folders: [loadprofiles]}  # rate: requests per second
    phases: {warm-up: 5s, steady: 30s, fault: 30s, recovery: 15s}
    objectives:                       # default: harness.model.objective.default_objectives
      - error_rate < +0.5pp
      - {objective: latency_p99 < +10%, weight: 2, group: latency, critical: true, muted: false}
    judge: {name: sequential, alpha: 0.01, pass: 95, marginal: 75}  # calibration: a file by harness calibrate
    prometheus: http://127.0.0.1:9090 # default: none
    gauges:                           # asked of it for each arm, for objectives such as gauge:memory < +10%; default: none
      memory: {query: 'sum(container_memory_working_set_bytes{pod=~"reviews-{version}-.*"})', unit: bytes}
    guards: {error-ceiling: 90%, misses: 3}  # share of failed canary requests that ends a run; polls without an answer that do
    out: reports                      # where bundles go
    cluster:                          # used with --target cluster only
      context: kind-dev               # default: the current one; kubeconfig: a file, default as kubectl
      contexts: [kind-dev]            # contexts that may be used; default: any
      uid: 6e8f...                    # of the namespace kube-system: tells this cluster from all others; default: any
      url: http://reviews.shop:9080   # where load reaches the entry; headers: {Host: reviews}
      gateway: shop/door              # that load comes through, as VirtualServices name it; default: mesh (between sidecars)
      load-workload: door-istio       # what proxies call the workload that load comes from; default: loadgenerator
      probe: /health                  # path at url that passes the service, to prove changes of a gateway's routes; default: /
      istiod: http://istiod:15014     # ask its debug port what it sent, instead of the pods what they have; default: the pods
      proxies:                        # admin ports to ask instead of the pods' (virtual machines); default: none
        reviews-1: {url: "http://10.0.0.7:15000", labels: {app: reviews}}
      opt-in: canary-harness=enabled  # label that opens a namespace for experiments
      owners: [argocd]                # controllers that have been told to leave our edits alone; default: none
      only-test-traffic: false        # touch only requests with the run's W3C baggage, which services must pass on
      fresh-arms: false               # compare new copies of both builds, of the same age, instead of what runs
      ready-within: 3m                # that long may new pods take
      prove: true                     # see every change in the sidecars
      live-within: 20s                # that long may it take to get there
      heartbeat: 5s                   # after four missed ones the reaper undoes everything
      patience: 2m                    # that long an undo keeps trying
      watchdog: true                  # a process of its own puts everything back when the run is killed
      limits: {dose: 100%, duration: 15m, faults: 3, restarts: 3, every-caller: false}

Commands run in the file's folder. Commands and ``env`` may hold ``{port}`` (the port to listen on, loopback),
``{python}`` (this interpreter), ``{root}`` (the file's folder), ``{service}`` and ``{version}``.
A version with neither command nor address can only be used on a cluster.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path

from harness.config.cluster import read_cluster
from harness.config.fields import Fields, dotted
from harness.config.gauges import read_gauges, require_sources
from harness.config.services import read_services
from harness.errors import ConfigError
from harness.model.config import Config, GuardSettings, LoadSettings, PhaseSettings, Service, Workload
from harness.model.json import Json
from harness.model.load import Arrivals
from harness.model.objective import Objective, default_objectives, parse_objective
from harness.model.split import SplitBy
from harness.model.units import parse_percent
from harness.routing.istio.yaml_lines import Document, read_documents

__all__ = [
    "Config",
    "LoadSettings",
    "PhaseSettings",
    "Service",
    "Workload",
    "read_config",
    "resolved",
    "with_environment",
]

SECRET = re.compile(r"password|passwd|secret|token|credential|api_?key|private", re.IGNORECASE)


def read_config(path: Path, *, overrides: Mapping[str, Json] | None = None) -> Config:
    """The settings of a file. Raises ConfigError naming file, line and key.

    overrides: values that replace those of the file, by dotted key, e.g. ``{"phases.steady": "10s"}``.
    """
    documents = read_documents(path.absolute(), ConfigError)
    if len(documents) != 1:
        raise ConfigError(f"expected one YAML document, found {len(documents)}", file=path)
    document = documents[0]
    for key, value in (overrides or {}).items():
        _override(document, key.split("."), value)
    return _config(document)


def with_environment(config: Config, service: str, version: str, env: Mapping[str, str]) -> Config:
    """The same settings with more environment for one workload."""
    workload = config.workload(service, version)
    changed = dataclasses.replace(workload, env={**workload.env, **env})
    old = config.services[service]
    new = dataclasses.replace(old, versions={**old.versions, version: changed})
    return dataclasses.replace(config, services={**config.services, service: new})


def resolved(config: Config) -> dict[str, Json]:
    """The settings as JSON values for the record; what looks like a secret is masked."""
    values: dict[str, Json] = _plain(dataclasses.asdict(dataclasses.replace(config, lines={})))
    del values["lines"]
    for service in values["services"].values():
        for workload in service["versions"].values():
            workload["env"] = {k: "(hidden)" if SECRET.search(k) else v for k, v in workload["env"].items()}
    return values


def _config(document: Document) -> Config:
    top, file = Fields(document, (), document.value), document.file
    services = read_services(top, file.parent)
    service = top.choice("service", services)
    arms, load, phases, judge = (top.section(name) for name in ("arms", "load", "phases", "judge"))
    versions = services[service].versions
    split_by, share = _split(top)
    config = Config(
        file=file,
        service=service,
        namespace=top.text("namespace", "default"),
        baseline=arms.choice("baseline", versions),
        canary=arms.choice("canary", versions),
        canary_share=share,
        split_by=split_by,
        entry=top.choice("entry", services, service),
        services=services,
        istio=top.files("istio"),
        load=_load(load),
        phases=_phases(phases),
        objectives=_objectives(top),
        judge=judge.text("name", "sequential"),
        alpha=judge.number("alpha", 0.01, low=1e-6, high=0.5),
        pass_score=judge.number("pass", 95, low=0, high=100),
        marginal_score=judge.number("marginal", 75, low=0, high=100),
        prometheus=_url(top, "prometheus"),
        gauges=read_gauges(top),
        guards=_guards(top.section("guards")),
        calibration=_file(judge, "calibration", file.parent),
        out=file.parent / top.text("out", "reports"),
        cluster=read_cluster(top.section("cluster"), file.parent),
        lines={dotted(place): line for place, line in document.lines.items()},
    )
    for fields in (top, arms, load, phases, judge):
        fields.end()
    if config.baseline == config.canary:
        raise arms.error(("canary",), f"expected another version than the baseline, found {config.canary} for both")
    addresses = [versions[arm].address for arm in (config.baseline, config.canary)]
    if addresses[0] is not None and addresses[0] == addresses[1]:
        raise config.error(
            f"services.{service}.versions.{config.canary}.address",
            f"expected another address than the baseline's, found {addresses[1]} for both: the canary would be compared with itself",
        )
    require_sources(config)
    if config.marginal_score > config.pass_score:
        raise judge.wrong(("marginal",), f"at most the passing score {config.pass_score:g}", config.marginal_score)
    return config


def _file(fields: Fields, key: str, root: Path) -> Path | None:
    name = fields.text(key, "")
    if name and not (root / name).is_file():
        raise fields.wrong((key,), "an existing file", name)
    return root / name if name else None


def _split(top: Fields) -> tuple[SplitBy, float]:
    """How requests are shared out, and the canary's share; of copies it may be all."""
    value = top.take("split")
    if not isinstance(value, dict):
        return SplitBy.WEIGHT, 0.5 if value is None else top.ratio(("split",), value)
    fields = top.nested("split", value)
    by = SplitBy(fields.choice("by", [str(one) for one in SplitBy], "weight"))
    share = fields.take("share")
    fields.end()
    if share is None:
        return by, 1.0 if by is SplitBy.MIRROR else 0.5
    return by, fields.ratio(("share",), share, whole=by is SplitBy.MIRROR)


def _guards(fields: Fields) -> GuardSettings:
    default, ceiling = GuardSettings(), fields.take("error-ceiling")
    share = default.error_ceiling
    if ceiling is not None:
        share = fields.parsed(("error-ceiling",), lambda: parse_percent(ceiling, "error-ceiling"))
    if share == 0:
        raise fields.wrong(("error-ceiling",), "more than 0 %", ceiling)
    guards = GuardSettings(error_ceiling=share, misses=round(fields.number("misses", default.misses, low=1, high=1000)))
    fields.end()
    return guards


def _load(fields: Fields) -> LoadSettings:
    return LoadSettings(
        profile=fields.text("profile", "browse"),
        rate_rps=fields.number("rate", 100, low=0.1, high=1e6),
        arrivals=Arrivals(fields.choice("arrivals", [str(one) for one in Arrivals], "poisson")),
        folders=fields.folders("folders", "loadprofiles"),
    )


def _phases(fields: Fields) -> PhaseSettings:
    return PhaseSettings(
        warm_up_s=fields.duration_s("warm-up", 5),
        steady_s=fields.duration_s("steady", 30),
        fault_s=fields.duration_s("fault", 30),
        recovery_s=fields.duration_s("recovery", 15),
    )


def _objectives(top: Fields) -> tuple[Objective, ...]:
    value = top.take("objectives")
    if value is None:
        return default_objectives()
    if not isinstance(value, list) or not value:
        raise top.wrong(("objectives",), "a list of objectives such as 'latency_p99 < +10%'", value)
    return tuple(_objective(top, i, item) for i, item in enumerate(value))


def _objective(top: Fields, index: int, value: Json) -> Objective:
    fields = top.item("objectives", index, {"objective": value} if isinstance(value, str) else value)
    text, group = fields.text("objective"), fields.text("group", "default")
    weight = fields.number("weight", 1.0, low=0, high=1e6)
    critical, muted = fields.switch("critical", default=False), fields.switch("muted", default=False)
    fields.end()
    return fields.parsed((), lambda: parse_objective(text, weight=weight, group=group, critical=critical, muted=muted))


def _url(fields: Fields, key: str) -> str | None:
    value = fields.take(key)
    if value is not None and not (isinstance(value, str) and re.match(r"https?://[^/]+", value)):
        raise fields.wrong((key,), "a URL such as http://127.0.0.1:9090", value)
    return value


def _override(document: Document, keys: list[str], value: Json) -> None:
    target = document.value
    for key in keys[:-1]:
        if isinstance(target, dict) and target.get(key) is None:
            target[key] = {}
        target = target[key] if isinstance(target, dict) else None
    if not isinstance(target, dict):
        message = "expected a key to override, found a value or a list around it"
        raise ConfigError(message, file=document.file, path=".".join(keys))
    target[keys[-1]] = value


def _plain(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, (Path, Arrivals, SplitBy)) else value
