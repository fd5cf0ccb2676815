"""Reading values out of JSON documents of other programs."""

from __future__ import annotations

import pytest

from harness.errors import ShapeError
from harness.model.json import JsonValue, list_at, object_at, objects_at, text_at, texts_at, value_at

POD: JsonValue = {
    "metadata": {"name": "reviews-1", "namespace": "", "labels": {"app": "reviews"}, "annotations": None},
    "spec": {"containers": [{"name": "app"}], "weights": [1, 2]},
}


def test_values_are_found_at_their_path() -> None:
    """Each function returns the value at the path, with the type that its name says."""
    assert value_at(POD, "spec", "weights") == [1, 2]
    assert object_at(POD, "spec") == {"containers": [{"name": "app"}], "weights": [1, 2]}
    assert list_at(POD, "spec", "weights") == [1, 2]
    assert objects_at(POD, "spec", "containers") == [{"name": "app"}]
    assert texts_at(POD, "metadata", "labels") == {"app": "reviews"}
    assert text_at(POD, "metadata", "name") == "reviews-1"


@pytest.mark.parametrize("path", [("metadata", "annotations"), ("status",), ("status", "conditions")])
def test_absent_and_null_values_are_empty(path: tuple[str, ...]) -> None:
    """A key that is absent or null, also on the way, is read as an empty value."""
    assert value_at(POD, *path) is None
    assert object_at(POD, *path) == {}
    assert list_at(POD, *path) == []
    assert texts_at(POD, *path) == {}


def test_default_replaces_an_absent_or_empty_text() -> None:
    """A text has no empty value of its own, so the caller gives one."""
    assert text_at(POD, "metadata", "uid", default="none") == "none"
    assert text_at(POD, "metadata", "namespace", default="shop") == "shop"


def test_other_shapes_are_errors_that_name_the_path() -> None:
    """A value of another type is an error that says where it is and what was found."""
    with pytest.raises(ShapeError, match=r"^spec\.weights: expected an object, found \[1, 2\]$") as caught:
        object_at(POD, "spec", "weights", "first")
    assert caught.value.path == "spec.weights"
    with pytest.raises(ShapeError, match=r"^spec: expected a list"):
        list_at(POD, "spec")
    with pytest.raises(ShapeError, match=r"^spec\.weights: expected a list of objects, found 1$"):
        objects_at(POD, "spec", "weights")
    with pytest.raises(ShapeError, match=r"^metadata\.labels: expected a text, found "):
        texts_at(POD, "metadata")
    with pytest.raises(ShapeError, match=r"^metadata\.uid: expected a text, found None$"):
        text_at(POD, "metadata", "uid")
