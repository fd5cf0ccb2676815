"""A server of ours in a process of its own, and the settings that it has in these tests."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

SECRET, REGISTRY, ADAPTER, PAGES = "github-secret", "registry-token", "adapter-token", "page-token"
ENVIRONMENT = {"GH_SECRET": SECRET, "REGISTRY_TOKEN": REGISTRY, "ADAPTER_TOKEN": ADAPTER, "PAGE_TOKEN": PAGES}
SERVE = {
    "images": [{"image": "registry.test/shop/reviews", "tags": "v*"}],
    "repositories": {"shop/reviews": {"image": "registry.test/shop/reviews:{sha}", "events": ["push", "pull_request"]}},
    "gates": {"reviews": ["scenarios/test_ok.py"]},
    "github-secret": "GH_SECRET",
    "registry-token": "REGISTRY_TOKEN",
    "adapter-token": "ADAPTER_TOKEN",
    "page-token": "PAGE_TOKEN",
    "settle": "0s",
}
SERVICE = {"command": ["{python}", "-m", "http.server", "{port}"], "port": 80, "versions": {"v1": None, "v2": None}}


def signed(body: bytes, secret: str = SECRET) -> str:
    """The signature that GitHub sends with a body."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def project(folder: Path, **serve: object) -> Path:
    """Write a configuration with a serve section, and return its path."""
    settings = {
        "service": "reviews",
        "arms": {"baseline": "v1", "canary": "v2"},
        "services": {"reviews": SERVICE},
        "serve": SERVE | serve,
    }
    file = folder / "harness.yaml"
    file.write_text(yaml.safe_dump(settings))
    return file


@dataclass
class Served:
    """A running server: the addresses of its pages and of its hooks."""

    process: subprocess.Popen[str]
    pages: str
    hooks: str


@contextmanager
def server(folder: Path, *, stub: str = "") -> Iterator[Served]:
    """Run ``harness serve`` in a folder with a configuration. stub: Python that stands for the commands of jobs."""
    environment = {**os.environ, **ENVIRONMENT, "PYTHONUNBUFFERED": "1"}
    if stub:
        (folder / "stub").mkdir()
        (folder / "stub" / "sitecustomize.py").write_text(stub)
        environment["PYTHONPATH"] = str(folder / "stub")
    command = [sys.executable, "-m", "harness", "serve", "--address", "127.0.0.1:0", "--hooks", "127.0.0.1:0"]
    process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        addresses = [_address(process) for _ in range(2)]
        yield Served(process=process, pages=addresses[0], hooks=addresses[1])
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        finally:
            process.kill()
            assert process.stderr is not None
            process.stderr.close()


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        line = process.stderr.readline()
        found = re.search(r"http://\S+", line)
        if found:
            return found[0]
        assert process.poll() is None, f"the server ended: {line}{process.stderr.read()}"
    raise AssertionError("the server did not say where it listens")
