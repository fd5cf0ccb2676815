"""Values under secret names are hidden before they are recorded or shown."""

import json

import pytest

from harness.model.masking import masked, redacted_body


@pytest.mark.parametrize(
    "name",
    ["DB_PASSWORD", "passwd", "clientSecret", "GITHUB_TOKEN", "credentials", "Authorization", "api_key", "x-api-key"],
)
def test_a_value_under_a_secret_name_is_hidden(name):
    """Upper and lower case and the style of the name make no difference."""
    assert {name: "(hidden)"} == masked({name: "hunter2"})


def test_lists_under_a_secret_name_are_hidden_whole():
    """No item of such a list is shown."""
    assert {"tokens": "(hidden)"} == masked({"tokens": ["a", "b"]})


def test_values_are_hidden_at_every_depth():
    """Mappings and lists are looked through, and everything else stays as it is."""
    given = {"services": [{"env": {"PASSWORD": "x", "LOG": "warn"}}], "rate": 3, "token": None}
    assert masked(given) == {"services": [{"env": {"PASSWORD": "(hidden)", "LOG": "warn"}}], "rate": 3, "token": None}


def test_a_mapping_with_a_secret_name_is_looked_through():
    """A service that is called token is shown, except for its own secrets."""
    assert masked({"token": {"port": 80, "secret": "x"}}) == {"token": {"port": 80, "secret": "(hidden)"}}


@pytest.mark.parametrize("body", [r'{"name": "\ud800"}', '{"size": 1e999}', '{"name": "é"}'])
def test_a_body_stays_one_that_can_be_recorded(body: str) -> None:
    """Half of a letter has no UTF-8, and no JSON has infinity: the bundle of a run could not be written."""
    found = redacted_body(body)
    found.encode()
    assert json.loads(body) == json.loads(found)
    assert "Infinity" not in found
    assert "(hidden)" in redacted_body(r'{"password": "\ud800"}')
    assert "hunter2" not in redacted_body('{"password": "hunter2", "size": 1e999}')
