"""Locust in a cluster: the manifests match the API's schema, and their commands run on loopback."""

from __future__ import annotations

import json
import shutil
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client
from load_runs import READ, plan

from harness.clients.kubernetes.api import Written
from harness.clients.kubernetes.kinds import kind_of
from harness.clients.processes.child import Process, start, wait_until
from harness.clients.processes.ports import free_ports
from harness.errors import ClusterUnreachable, LoadProfileError
from harness.load.parent.cluster import ClusterLoad, remove_load
from harness.load.parent.jobs import FILES_PORT, RUN_LABEL, JobSettings, as_kubectl_list, render_jobs
from harness.load.protocol.child_spec import decode_spec

SETTINGS = JobSettings(namespace="shop", image="registry.local/harness:1", workers=2)
HEAD = "from locust import FastHttpUser, task\n\n\nclass Visitor(FastHttpUser):\n"
MODELS = {"ConfigMap": "V1ConfigMap", "Secret": "V1Secret", "Service": "V1Service", "Job": "V1Job"}


class Kubelet:
    """A minimal cluster: it stores objects and runs the containers of Jobs as processes on loopback."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.objects = folder, {}
        self.link, self.files = free_ports(2)
        self.processes: dict[str, Process] = {}
        self.created: list[Any] = []
        self.waiting: list[Any] = []

    def create(self, resource: Any) -> Written:
        """Store an object; the pods of a Job start once the objects that they mount are there."""
        stored = {**resource, "metadata": {**resource["metadata"], "uid": f"uid-{len(self.created)}"}}
        self.created.append(stored)
        self._keep(stored)
        self.waiting += [stored] if stored["kind"] == "Job" else []
        for job in [job for job in self.waiting if ("Secret", job["metadata"]["labels"][RUN_LABEL]) in self.objects]:
            self.waiting.remove(job)
            for number in range(job["spec"]["parallelism"]):
                self._start(job, f"{job['metadata']['name']}-{number}")
        return Written(resource=stored)

    def list(self, kind: str, namespace: str | None, *, labels: dict[str, str]) -> list[Any]:
        """Return the objects of a kind with these labels."""
        return [
            each
            for (its_kind, _), each in self.objects.items()
            if its_kind == kind
            and each["metadata"]["namespace"] == namespace
            and labels.items() <= each["metadata"]["labels"].items()
        ]

    def delete(self, resource: Any) -> None:
        """Remove an object; the process of a pod ends."""
        name = resource["metadata"]["name"]
        if name in self.processes:
            self.processes.pop(name).stop(0.5)
        self.objects.pop((resource["kind"], name), None)

    def ask_pod(self, namespace: str, pod: str, port: int, path: str, *, timeout_s: float) -> bytes:
        """Return what port-forward would return."""
        assert (port, pod) == (FILES_PORT, next(name for name in self.processes if "master" in name))
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.files}{path}", timeout=timeout_s) as answer:
                return answer.read()
        except OSError as error:
            raise ClusterUnreachable(str(error)) from error

    def _keep(self, resource: Any) -> None:
        self.objects[resource["kind"], resource["metadata"]["name"]] = resource

    def _start(self, job: Any, name: str) -> None:
        template = job["spec"]["template"]
        volume = template["spec"]["volumes"][0]["configMap"]["name"]
        mount = self.folder / name
        mount.mkdir()
        plan = self.folder / f"{name}-plan"
        plan.mkdir()
        for file, text in self.objects["ConfigMap", volume]["data"].items():
            (mount / file).write_text(text)
        for file, text in self.objects["Secret", volume]["stringData"].items():
            (plan / file).write_text(text)
        service = f"{volume}.{job['metadata']['namespace']}.svc"
        places = {
            "/etc/harness-load": str(mount),
            "/etc/harness-plan": str(plan),
            "/run/harness-load": str(mount / "run"),
            service: "127.0.0.1",
        }
        words = [sys.executable, *template["spec"]["containers"][0]["command"][1:]]
        for inside, here in places.items():
            words = [word.replace(inside, here) for word in words]
        words = ["127.0.0.1" if word == "0.0.0.0" else word for word in words]
        words += ["--port", str(self.link), *(["--files-port", str(self.files)] if "master" in words else [])]
        self.processes[name] = start(words, name=name, log=self.folder / f"{name}.log")
        metadata = {"name": name, "namespace": job["metadata"]["namespace"], "labels": template["metadata"]["labels"]}
        self._keep({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": {"phase": "Running"}})


@pytest.fixture
def kubelet(tmp_path) -> Iterator[Kubelet]:
    """A cluster whose processes end with the test."""
    cluster = Kubelet(tmp_path / "cluster")
    cluster.folder.mkdir()
    yield cluster
    for process in cluster.processes.values():
        process.stop(0)


def manifests(path: Path, **more: Any) -> dict[str, Any]:
    """Return the manifests by kind and name."""
    settings = JobSettings(**{"namespace": "shop", "image": "i", **more})
    resources = render_jobs(plan(path, "http://reviews:9080"), settings, name="load-1")
    return {f"{each['kind']} {each['metadata']['name']}": each for each in resources}


def test_every_manifest_fits_the_apis_schema(profile):
    """Read as the API's own models and written again nothing is lost, so no field is unknown or misplaced."""
    api = client.ApiClient()
    for resource in render_jobs(plan(profile(READ), "http://reviews:9080"), SETTINGS, name="load-1"):
        model = api._ApiClient__deserialize(resource, MODELS[resource["kind"]])
        assert api.sanitize_for_serialization(model) == resource
        assert kind_of(resource["kind"]).api_version == resource["apiVersion"]
    api.close()


def test_sidecars_are_off_on_the_master_and_chosen_on_workers(profile):
    """Locust's own link stays out of the proxies; worker labels let sourceLabels match."""
    outside = manifests(profile(READ))
    inside = manifests(profile(READ), in_mesh=True, worker_labels={"app": "loadgenerator"})
    label = "sidecar.istio.io/inject"
    template = [
        each[name]["spec"]["template"]["metadata"]
        for each in (outside, inside)
        for name in ("Job load-1-master", "Job load-1-worker")
    ]
    assert [each["labels"][label] for each in template] == ["false", "false", "false", "true"]
    assert template[3]["annotations"] == {"traffic.sidecar.istio.io/excludeOutboundPorts": "5557"}
    assert template[3]["labels"]["app"] == "loadgenerator"


def test_config_map_and_secret_carry_profile_and_plan(profile):
    """A pod finds the same file and the same plan, with the profile where it is mounted."""
    path = profile(READ)
    found = manifests(path)
    assert found["ConfigMap load-1"]["data"] == {"visit.py": path.read_text()}
    order = decode_spec(found["Secret load-1"]["stringData"]["spec.json"])
    assert str(order.profile) == "/etc/harness-load/visit.py"
    assert order.stages == plan(path, "http://x").stages


def test_shared_code_next_to_the_profile_is_in_the_config_map_under_valid_keys(tmp_path):
    """Files that start with an underscore can be imported in a pod, too; too large files are rejected."""
    (tmp_path / "_shop.py").write_text("PATH = '/'\n")
    (tmp_path / "other.py").write_text("1 / 0\n")
    path = tmp_path / "my visit ü.py"
    path.write_text("from _shop import PATH\n")
    found = manifests(path)
    assert sorted(found["ConfigMap load-1"]["data"]) == ["_shop.py", "my-visit--.py"]
    command = found["Job load-1-master"]["spec"]["template"]["spec"]["containers"][0]["command"]
    assert "/etc/harness-load/my-visit--.py" in command
    (tmp_path / "_shop.py").write_text("#" * 1_100_000)
    with pytest.raises(LoadProfileError, match="the limit of a ConfigMap, found 1100"):
        manifests(path)


def test_workers_are_a_parallel_job_that_cannot_run_forever(profile):
    """It has parallelism, resource requests, no retries, and a deadline in case nobody cleans up."""
    spec = manifests(profile(READ), workers=5, cpu="2", memory="1Gi")["Job load-1-worker"]["spec"]
    assert (spec["parallelism"], spec["completions"], spec["backoffLimit"]) == (5, 5, 0)
    assert spec["activeDeadlineSeconds"] > 100
    resources = spec["template"]["spec"]["containers"][0]["resources"]
    assert resources == {"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}


def test_manifests_can_be_passed_to_kubectl(profile):
    """They are one JSON list."""
    resources = render_jobs(plan(profile(READ), "http://x"), SETTINGS, name="load-1")
    assert json.loads(as_kubectl_list(resources))["items"] == list(resources)


def test_jobs_run_their_commands_and_leave_nothing_behind(kubelet, tmp_path, target, profile):
    """With the rendered commands, load is sent, samples arrive, and every created object is removed."""
    (tmp_path / "_shared.py").write_text("PATH = '/reviews/1'\n")
    path = profile(
        "from _shared import PATH\n" + HEAD + READ.replace('"/reviews/1"', "PATH").replace("\n", "\n    "), whole=True
    )
    load = plan(path, target.url, rate=100, seconds=1.5, headers={"authorization": "canary-token-header"})
    with ClusterLoad(kubelet, SETTINGS).start(load, tmp_path / "run") as run:
        assert len(kubelet.list("Pod", "shop", labels={})) == 3
        assert wait_until(lambda: not run.running(), timeout_s=120)
        report = run.finish()
        assert [150] * 4 == [report.planned, report.recorded, report.counted, target.seen()["count"]]
    assert kubelet.objects == {}
    assert kubelet.processes == {}
    created = {f"{one['kind']} {one['metadata']['name']}": one for one in kubelet.created}
    assert [name for name, one in created.items() if "canary-token" in str(one)] == [
        name for name in created if "Secret" in name
    ]
    master = next(one for name, one in created.items() if name.endswith("-master"))
    (secret,) = [one for one in kubelet.created if one["kind"] == "Secret"]
    assert [(one["kind"], one["uid"]) for one in secret["metadata"]["ownerReferences"]] == [
        ("Job", master["metadata"]["uid"])
    ]
    mirrored = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert mirrored
    assert not [path for path in mirrored if b"canary-token" in path.read_bytes()]


def test_a_profile_that_cannot_be_imported_is_named_and_nothing_is_left_behind(kubelet, tmp_path, target, profile):
    """The error has the profile's line."""
    path = profile("1 / 0\n", whole=True)
    with (
        pytest.raises(LoadProfileError, match=r"visit\.py:1: .*ZeroDivisionError"),
        ClusterLoad(kubelet, SETTINGS).start(plan(path, target.url), tmp_path / "run"),
    ):
        pass
    assert kubelet.objects == {}


def test_leftovers_are_found_by_label(kubelet, profile):
    """A later call removes what a killed harness left behind, and lists it."""
    shutil.rmtree(kubelet.folder)
    for resource in render_jobs(plan(profile(READ), "http://x"), SETTINGS, name="load-1"):
        if resource["kind"] != "Job":
            kubelet.create(resource)
    other = {"kind": "Service", "metadata": {"name": "shop", "namespace": "shop", "labels": {"app": "shop"}}}
    kubelet.create(other)
    assert remove_load(kubelet, "shop") == ("Service load-1", "ConfigMap load-1")
    assert [one["metadata"]["name"] for one in kubelet.objects.values()] == ["shop"]


def test_the_role_covers_what_a_run_creates_and_removes(profile):
    """With the shipped Role, every rendered kind may be created, listed and deleted."""
    role = yaml.safe_load((Path(__file__).parents[2] / "deploy" / "load" / "role.yaml").read_text())
    may = {
        (group, kind): rule["verbs"]
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for kind in rule["resources"]
    }
    for resource in render_jobs(plan(profile(READ), "http://x"), SETTINGS, name="load-1"):
        kind = kind_of(resource["kind"])
        reads = [] if kind.name == "Secret" else ["list"]
        assert may[kind.group, kind.plural] == ["create", *reads, "delete"]
    assert may["", "pods"] == ["list", "delete"]
    assert may["", "pods/portforward"] == ["create"]
