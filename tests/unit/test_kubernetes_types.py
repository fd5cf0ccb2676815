"""Objects of the API server are checked before they are read: an error names the object and the field."""

from __future__ import annotations

from typing import Any

import pytest

from harness.clients.kubernetes.types import about, as_deployment, as_lease, as_pod, labels_of, metadata_of, template_of
from harness.errors import ClusterError, ClusterShapeError, ShapeError
from harness.model.json import object_at


def pod(**more: Any) -> dict[str, Any]:
    """A pod as the API server sends it, with fields that no type lists."""
    metadata = {"name": "reviews-v1-x", "namespace": "shop", "labels": {"app": "reviews"}, "selfLink": "/pods/x"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"nodeName": "n"}, **more}


def test_an_object_keeps_the_fields_that_no_type_lists() -> None:
    """The object itself is returned, so that it can be written back whole."""
    read = pod()
    assert read is as_pod(read)
    assert {"app": "reviews"} == labels_of(metadata_of(read))


@pytest.mark.parametrize(
    ("status", "path"),
    [
        ({"containerStatuses": [{"name": "a", "restartCount": "2"}]}, "status.containerStatuses.0.restartCount"),
        ({"containerStatuses": [{"restartCount": 2}]}, "status.containerStatuses.0.name"),
        ({"conditions": {"type": "Ready"}}, "status.conditions"),
        ("Running", "status"),
    ],
)
def test_a_misshapen_field_is_named_with_its_object(status: object, path: str) -> None:
    """The error says which object and which field, and both kinds of handlers catch it."""
    with pytest.raises(ClusterShapeError, match=f"^Pod shop/reviews-v1-x: {path}: ") as caught:
        as_pod(pod(status=status))
    assert (path, "Pod shop/reviews-v1-x") == (caught.value.path, caught.value.subject)
    assert isinstance(caught.value, ClusterError)
    assert isinstance(caught.value, ShapeError)


def test_null_is_like_absent() -> None:
    """Kubernetes' own serialisers write null for what is not set."""
    read = pod(status=None)
    read["metadata"]["labels"] = None
    assert {} == labels_of(as_pod(read)["metadata"])
    deployment = {"kind": "Deployment", "metadata": {"name": "a"}, "spec": {"template": {"metadata": None}}}
    assert {} == template_of(as_deployment(deployment))


@pytest.mark.parametrize("metadata", [None, {}, {"name": 3}, "a"])
def test_an_object_without_a_name_is_refused(metadata: object) -> None:
    """Nothing could be said about it, and nothing could be reverted in it."""
    with pytest.raises(ClusterShapeError, match=r"^Lease.*: metadata"):
        as_lease({"kind": "Lease", "metadata": metadata, "spec": {}})


def test_errors_of_paths_are_told_about_the_object() -> None:
    """A ShapeError knows the path only; the block around it adds the object, once."""
    with pytest.raises(ClusterShapeError, match=r"^VirtualService shop/a: spec: expected an object"):  # noqa: SIM117
        with about("another"), about("VirtualService shop/a"):
            object_at({"spec": 3}, "spec")
