"""Reading Istio YAML: plain values, and the file and line of each for errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import ResourceError
from harness.routing.istio.reading import read_resources, replaced, sources_of

TWO = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a}
spec: {hosts: [a]}
---
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: b
  namespace: shop
spec: {hosts: [b]}
"""


def _file(folder: Path, text: str, name: str = "some.yaml") -> Path:
    file = folder / name
    file.write_text(text)
    return file


def test_every_document_of_a_file_is_a_resource(tmp_path: Path) -> None:
    """Empty documents are skipped."""
    found = read_resources([_file(tmp_path, TWO)])
    assert [item["metadata"]["name"] for item in found] == ["a", "b"]


def test_the_line_of_a_value_is_known(tmp_path: Path) -> None:
    """For a value that is missing, it is the line of what contains it."""
    sources = sources_of(read_resources([_file(tmp_path, TWO)]))
    source = sources["VirtualService", "shop", "b"]
    assert [source.line(place) for place in ((), ("metadata", "namespace"), ("spec", "http", 0))] == [8, 12, 13]


def test_a_later_file_replaces_the_same_resource(tmp_path: Path) -> None:
    """As if ``kubectl apply`` were run on one file after the other."""
    second = _file(tmp_path, TWO.replace("hosts: [a]", "hosts: [c]"), "later.yaml")
    found = read_resources([_file(tmp_path, TWO), second])
    assert [item["spec"]["hosts"] for item in found] == [["c"], ["b"]]
    assert sources_of(found)["VirtualService", "default", "a"].document.file == second


def test_replacing_keeps_what_is_not_replaced(tmp_path: Path) -> None:
    """A resource that names no namespace is in the one that is given."""
    newer = ({"apiVersion": "x", "kind": "VirtualService", "metadata": {"name": "a", "namespace": "default"}},)
    found = replaced(read_resources([_file(tmp_path, TWO)]), newer)
    assert [item.get("spec") for item in found] == [None, {"hosts": ["b"]}]


def test_the_items_of_a_list_are_resources(tmp_path: Path) -> None:
    """``kubectl get -o yaml`` writes a List; the lines are those of its items."""
    text = "kind: List\napiVersion: v1\nitems:\n- apiVersion: x\n  kind: y\n  metadata:\n    name: z\n"
    found = read_resources([_file(tmp_path, text)])
    assert found[0]["metadata"]["name"] == "z"
    assert sources_of(found)["y", "default", "z"].line(("metadata", "name")) == 7


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: [", 1, "expected valid YAML"),
        ("a: b\n c: d", 2, "expected valid YAML"),
        ("apiVersion: x\nkind: y\nkind: z\nmetadata: {name: n}", 3, "twice"),
        ("- 1", 1, "expected a resource (a mapping), found list"),
        ("just text", 1, "expected a resource (a mapping), found str"),
        ("kind: y\nmetadata: {name: n}", 1, "apiVersion: expected a text, found None"),
        ("apiVersion: x\nmetadata: {name: n}", 1, "kind: expected a text, found None"),
        ("apiVersion: x\nkind: y", 1, "metadata.name: expected the name of this y, found None"),
        ("apiVersion: x\nkind: y\nmetadata:\n  name: 5", 4, "metadata.name: expected the name of this y, found 5"),
        ("kind: List\napiVersion: v1", 1, "items: expected the resources of this List"),
        (TWO + "---" + TWO, 15, "VirtualService default/a occurs twice in this file, first in line 2"),
        ("a: !!python/object:os.system x", 1, "expected valid YAML"),
    ],
)
def test_what_is_no_resource_is_refused_with_its_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    """The error names file and line."""
    with pytest.raises(ResourceError) as caught:
        read_resources([_file(tmp_path, text)])
    assert str(caught.value).startswith(f"{tmp_path / 'some.yaml'}:{line}: ")
    assert message in str(caught.value)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    """The error has its name and the reason."""
    with pytest.raises(ResourceError, match=r"none\.yaml: .*No such file"):
        read_resources([tmp_path / "none.yaml"])


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("2024-01-01", "2024-01-01"),
        ("12:30", "12:30"),
        ("7s", "7s"),
        ("5", 5),
        ("0.5", 0.5),
        ("1e2", 100.0),
        ("yes", True),
    ],
)
def test_plain_values_are_read_as_kubernetes_reads_them(tmp_path: Path, written: str, value: object) -> None:
    """Dates and times of day are read as text; numbers, and old words for true such as ``yes``, are not."""
    text = f"apiVersion: x\nkind: y\nmetadata: {{name: z}}\nspec: {{value: {written}}}\n"
    assert read_resources([_file(tmp_path, text)])[0]["spec"]["value"] == value


def test_a_number_may_be_a_key(tmp_path: Path) -> None:
    """A PeerAuthentication names ports by number; it is no reason to refuse the rest of the file."""
    file = tmp_path / "ports.yaml"
    text = "apiVersion: v1\nkind: PeerAuthentication\nmetadata: {name: a}\nspec:\n  portLevelMtls:\n    8090: {mode: DISABLE}\n"
    file.write_text(text)
    (found,) = read_resources([file])
    assert found["spec"] == {"portLevelMtls": {"8090": {"mode": "DISABLE"}}}
    file.write_text(text + "    '8090': {mode: STRICT}\n")
    with pytest.raises(ResourceError, match="twice"):
        read_resources([file])
