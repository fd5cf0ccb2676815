"""The ``cluster`` section: how a cluster is reached, and the limits that hold on it."""

from __future__ import annotations

import re
from pathlib import Path

from harness.config.fields import Fields
from harness.model.cluster import ClusterSettings, Limits, Proxy
from harness.model.units import parse_percent

_LABEL = re.compile(r"[\w./-]+=[\w.-]*")
_URL = re.compile(r"https?://[^/\s]+.*")
KNOWN_OWNERS = ("flagger", "argo-rollouts", "argocd", "flux", "helm")


def read_cluster(fields: Fields, root: Path) -> ClusterSettings:
    """The settings of the section; safe defaults for what is not in it. ``root``: what relative paths start at."""
    default = ClusterSettings()
    kubeconfig, context, url = (fields.text(key, "") for key in ("kubeconfig", "context", "url"))
    istiod = fields.text("istiod", "")
    owners = fields.texts("owners")
    for i, owner in enumerate(owners):
        fields.known(("owners", i), owner, KNOWN_OWNERS)
    opt_in = fields.text("opt-in", default.opt_in)
    if not _LABEL.fullmatch(opt_in):
        raise fields.wrong(("opt-in",), "a label such as key=value", opt_in)
    for key, value in (("url", url), ("istiod", istiod)):
        if value and not _URL.fullmatch(value):
            raise fields.wrong((key,), "a URL such as http://reviews.shop:9080", value)
    settings = ClusterSettings(
        kubeconfig=root / kubeconfig if kubeconfig else None,
        context=context or None,
        url=url or None,
        headers=fields.text_map("headers"),
        gateway=fields.text("gateway", default.gateway),
        load_workload=fields.text("load-workload", default.load_workload),
        probe=fields.text("probe", default.probe),
        istiod=istiod.rstrip("/") or None,
        proxies=tuple(_proxy(name, proxy) for name, proxy in fields.sections("proxies")),
        contexts=fields.texts("contexts"),
        uid=fields.text("uid", default.uid),
        opt_in=opt_in,
        owners=owners,
        only_test_traffic=fields.switch("only-test-traffic", default=default.only_test_traffic),
        fresh_arms=fields.switch("fresh-arms", default=default.fresh_arms),
        ready_within_s=fields.duration_s("ready-within", default.ready_within_s),
        prove=fields.switch("prove", default=default.prove),
        live_within_s=fields.duration_s("live-within", default.live_within_s),
        heartbeat_s=fields.duration_s("heartbeat", default.heartbeat_s),
        patience_s=fields.duration_s("patience", default.patience_s),
        watchdog=fields.switch("watchdog", default=default.watchdog),
        limits=_limits(fields.section("limits")),
    )
    fields.end()
    return settings


def _proxy(name: str, fields: Fields) -> Proxy:
    proxy = Proxy(name=name, url=fields.text("url").rstrip("/"), labels=fields.text_map("labels"))
    if not _URL.fullmatch(proxy.url):
        raise fields.wrong(("url",), "the URL of Envoy's admin port, such as http://10.0.0.7:15000", proxy.url)
    fields.end()
    return proxy


def _limits(fields: Fields) -> Limits:
    default, dose = Limits(), fields.take("dose")
    limits = Limits(
        dose=default.dose if dose is None else fields.parsed(("dose",), lambda: parse_percent(dose, "dose")),
        duration_s=fields.duration_s("duration", default.duration_s),
        faults=round(fields.number("faults", default.faults, low=1, high=100)),
        restarts=round(fields.number("restarts", default.restarts, low=0, high=1e6)),
        every_caller=fields.switch("every-caller", default=default.every_caller),
    )
    fields.end()
    return limits
