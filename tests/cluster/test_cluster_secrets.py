"""A run on a cluster leaves no secret of its configuration: not in the bundle, the report, the logs or the output."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from fake_kubernetes import ADMIN_TOKEN, FakeKubernetes
from test_cluster_run import cluster, judged

from harness.config import Config
from harness.report import junit, markdown, terminal

__all__ = ["cluster"]
SECRET = "canary-token"


def with_user(url: str) -> str:
    """The same URL with a user and a password."""
    return url.replace("://", f"://user:{SECRET}-url@", 1)


def test_a_run_on_a_cluster_leaves_no_secret(cluster: tuple[FakeKubernetes, Config], tmp_path: Path, capfd) -> None:
    """Tokens in headers, in the URLs of the service and of the proxies, and in the kubeconfig stay where they are."""
    _, config = cluster
    settings = dataclasses.replace(
        config.cluster,
        url=with_user(str(config.cluster.url)),
        headers={**config.cluster.headers, "Authorization": f"Bearer {SECRET}-header", "X-Shop": f"{SECRET}-shop"},
        proxies=tuple(dataclasses.replace(one, url=with_user(one.url)) for one in config.cluster.proxies),
    )
    out = tmp_path / "out"
    outcome = judged(dataclasses.replace(config, cluster=settings), out)
    shown = (outcome.record, outcome.analysis)
    assert len(outcome.record.samples) > 0
    texts = {str(path): path.read_bytes().decode(errors="replace") for path in out.rglob("*") if path.is_file()}
    texts |= {"terminal": terminal.render(*shown), "markdown": markdown.render(*shown)}
    texts |= {"junit": str(junit.properties(*shown)), "output": "".join(capfd.readouterr())}
    assert [] == [name for name, text in texts.items() if SECRET in text or ADMIN_TOKEN in text]
