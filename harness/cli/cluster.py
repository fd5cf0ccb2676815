"""Define the options that all cluster commands share: the cluster and the namespace."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from harness.cli.options import DEFAULT_CONFIG
from harness.config import Config, read_config
from harness.errors import UsageError
from harness.model.cluster import ClusterSettings


def add_cluster_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that name the cluster and the namespace."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="configuration file (default: harness.yaml, if it exists)"
    )
    parser.add_argument(
        "--kubeconfig",
        type=Path,
        metavar="FILE",
        help="kubeconfig file, as for kubectl (default: the configuration's, else $KUBECONFIG)",
    )
    parser.add_argument("--context", help="kube context (default: the configuration's, else the current one)")
    parser.add_argument("-n", "--namespace", help="namespace (default: the configuration's)")


def config_of(args: argparse.Namespace) -> Config:
    """Read the configuration, with the cluster and namespace of the options. Raises UsageError without a file."""
    config = read_config(args.config or DEFAULT_CONFIG)
    settings = _with_options(config.cluster, args)
    return dataclasses.replace(config, cluster=settings, namespace=args.namespace or config.namespace)


def settings_of(args: argparse.Namespace) -> tuple[ClusterSettings, str]:
    """Return the cluster and the namespace. It works without a configuration, so any machine can revert changes."""
    if args.config is not None or DEFAULT_CONFIG.is_file():
        config = config_of(args)
        return config.cluster, config.namespace
    if args.namespace is None:
        raise UsageError("expected a namespace, found none and no harness.yaml; name it with --namespace")
    return _with_options(ClusterSettings(), args), args.namespace


def _with_options(settings: ClusterSettings, args: argparse.Namespace) -> ClusterSettings:
    return dataclasses.replace(
        settings,
        kubeconfig=args.kubeconfig or settings.kubeconfig,
        context=args.context or settings.context,
    )
