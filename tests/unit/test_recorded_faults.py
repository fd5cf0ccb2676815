"""A fault is read from the manifest of a run as it was injected."""

import json

import pytest

from harness.errors import RecordError
from harness.faults import BUILT_IN, abort, delay, timeout
from harness.faults.recorded import fault_document, fault_of_document

FAULTS = [delay("ratings", "2s", percent=30), abort("ratings", 503, caller="reviews"), timeout("ratings", "400ms")]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_is_read_as_it_was_written(fault):
    """Its kind and all its values."""
    assert fault == fault_of_document(json.loads(json.dumps(fault_document(fault))))


@pytest.mark.parametrize("kind", BUILT_IN, ids=lambda kind: kind.kind)
def test_every_built_in_fault_can_be_recorded(kind):
    """A built-in fault is a dataclass, whose fields are what a replay needs."""
    assert hasattr(kind, "__dataclass_fields__")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"kind": "delayed"}, "did you mean"),
        ({}, "expected a kind of fault"),
        ({"kind": "delay", "host": "ratings"}, "expected the values of a delay"),
        ({"kind": "delay", "host": "ratings", "duration_s": "long", "dose": 0.3}, "expected the values of a delay"),
    ],
)
def test_others_are_refused(document, said):
    """A kind that is not installed, and values that the kind does not have."""
    with pytest.raises(RecordError, match=said):
        fault_of_document(document)
