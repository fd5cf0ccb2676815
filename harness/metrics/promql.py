"""Write the definitions of indicators as PromQL, and fill the placeholders of templates."""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.errors import UsageError
from harness.model.names import did_you_mean
from harness.model.server_indicator import Matcher, Selector

PLACEHOLDERS = ("namespace", "service", "workload", "version", "arm", "window")
_PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)\}")
INSTANCES = ("instance", "pod")
"""The labels of one source of counters; a counter that falls was reset there."""


def unknown_placeholder(template: str) -> str:
    """Return what is wrong with the placeholders of a template, or an empty text.

    PromQL itself never has a lone name between braces, so every such name is meant as a placeholder.
    """
    for name in _PLACEHOLDER.findall(template):
        if name not in PLACEHOLDERS:
            known = ", ".join(f"{{{one}}}" for one in PLACEHOLDERS)
            return f"expected one of the placeholders {known}, found {{{name}}}{did_you_mean(name, PLACEHOLDERS)}"
    return ""


def filled(template: str, words: Mapping[str, str]) -> str:
    """Return the template with its placeholders replaced. Raises UsageError for an unknown one."""
    wrong = unknown_placeholder(template)
    if wrong:
        raise UsageError(f"{template}: {wrong}")
    return _PLACEHOLDER.sub(lambda found: words[found[1]], template)


def selector(which: Selector, words: Mapping[str, str], *, suffix: str = "") -> str:
    """Return a selector of PromQL. suffix: of the metric's name, such as ``_bucket``."""
    names = [f"{name}{suffix}" for name in (*which.also, which.metric)]
    by_name = f'__name__=~"{"|".join(names)}"' if len(names) > 1 else f'__name__="{names[0]}"'
    return "{" + ",".join([by_name, *(_matcher(one, words) for one in which.matchers)]) + "}"


def summed(which: Selector, words: Mapping[str, str], *, suffix: str = "", by: tuple[str, ...] = INSTANCES) -> str:
    """Return the sum of a selector by the labels of an instance."""
    return f"sum by ({','.join(by)}) ({selector(which, words, suffix=suffix)})"


def matches(one: Matcher, labels: Mapping[str, str], words: Mapping[str, str]) -> bool:
    """Return whether a series' labels meet a matcher, as Prometheus decides it: a missing label is an empty one."""
    found, wanted = labels.get(one.label, ""), filled(one.value, words)
    if one.operator in {"=", "!="}:
        return (found == wanted) == (one.operator == "=")
    return (re.fullmatch(wanted, found) is not None) == (one.operator == "=~")


def _matcher(one: Matcher, words: Mapping[str, str]) -> str:
    value = filled(one.value, words).replace("\\", "\\\\").replace('"', '\\"')
    return f'{one.label}{one.operator}"{value}"'
