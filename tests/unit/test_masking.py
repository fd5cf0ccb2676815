"""Values under secret names are hidden before they are recorded or shown."""

import pytest

from harness.model.masking import masked


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
