"""The Prometheus query that Kayenta builds from a metric's configuration and a scope."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.errors import JudgeInputError
from harness.judge.kayenta.fields import Fields
from harness.model.json import Json

_PROMQL = "PromQL:"
_VARIABLE = re.compile(r"\$\$\{([^}]*)\}|\$\{([^}]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What one side's query is about; empty texts are not given."""

    scope: str = ""
    location: str = ""
    project: str = ""
    resource_type: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)


def escape_template(template: str) -> str:
    r"""The template with ``${`` written ``$\{``, so that Spinnaker leaves it alone."""
    return template.replace("${", "$\\{")


def unescape_template(template: str) -> str:
    """The reverse of ``escape_template``."""
    return template.replace("$\\{", "${")


def expand_template(template: str, values: Mapping[str, str]) -> str:
    """The template with each ``${name}`` replaced; ``${name:-text}`` has a default, ``$${name}`` stays.

    Raises JudgeInputError for an unknown name and for names that lead back to themselves.
    """
    return _expanded(unescape_template(template), values, ())


def prometheus_query(
    query: Mapping[str, Json],
    scope: Scope,
    *,
    templates: Mapping[str, str] | None = None,
    scope_label: str = "instance",
) -> str:
    """The expression for one side: a whole one after ``PromQL:``, else an average over the filtered metric.

    ``query`` is a metric's ``query`` object, ``scope_label`` belongs to the account. Raises JudgeInputError.
    """
    fields = Fields.of(dict(query), "query")
    custom = _custom_filter(fields, scope, templates or {})
    if custom.startswith(_PROMQL):
        return custom.removeprefix(_PROMQL)
    metric = fields.text("metricName")
    if not metric:
        raise JudgeInputError("query.metricName: Metric Name is required when query type is Default.")
    bindings = fields.texts("labelBindings") or ()
    filters = (*_tokens(custom), *bindings) if custom else (*bindings, *_resource_filters(fields, scope, scope_label))
    selector = "{" + ",".join(filters) + "}" if filters else ""
    by = fields.texts("groupByFields")
    return f"avg({metric}{selector})" + (f" by ({','.join(by)})" if by else "")


def _custom_filter(query: Fields, scope: Scope, templates: Mapping[str, str]) -> str:
    if query.text("customFilter") is not None:
        raise JudgeInputError("query.customFilter is deprecated, use query.customInlineTemplate instead.")
    inline, named = query.text("customInlineTemplate"), query.text("customFilterTemplate")
    if not inline and not named:
        return ""
    if not inline and named not in templates:
        known = ", ".join(templates) or "none"
        raise JudgeInputError(
            f"Custom filter template '{named}' was not found; templates of the configuration: {known}"
        )
    template = inline or templates[str(named)]
    given = {
        "project": scope.project,
        "resourceType": query.text("resourceType") or scope.resource_type,
        "scope": scope.scope,
        "location": scope.location,
    }
    return expand_template(template, {name: text for name, text in given.items() if text} | dict(scope.parameters))


def _resource_filters(query: Fields, scope: Scope, scope_label: str) -> tuple[str, ...]:
    kind = (query.text("resourceType") or "").strip() or scope.resource_type
    if kind not in {"gce_instance", "aws_ec2_instance"}:
        if kind:
            raise JudgeInputError(
                f"There is no explicit support for resourceType '{kind}'; use label bindings and custom filter templates."
            )
        raise JudgeInputError("Either a resource type or a custom filter is required.")
    if not scope.location:
        raise JudgeInputError(f"Location (i.e. region) is required when resourceType is '{kind}'.")
    if kind == "aws_ec2_instance":
        group = (f'asg_groupName="{scope.scope}"',) if scope.scope else ()
        return (*group, f'zone=~"{scope.location}.{{1}}"')
    instance = (f'{scope_label}=~"{scope.scope}-.{{4}}"',) if scope.scope else ()
    project = f"projects/{scope.project}/" if scope.project else ""
    return (*instance, f'zone=~".+/{project}zones/{scope.location}-.{{1}}"')


def _tokens(custom: str) -> list[str]:
    """Parts between commas without the empty ones at the end, as Java splits."""
    tokens = custom.split(",")
    while tokens and not tokens[-1]:
        tokens.pop()
    return tokens


def _expanded(template: str, values: Mapping[str, str], inside: tuple[str, ...]) -> str:
    def replaced(match: re.Match[str]) -> str:
        if match[2] is None:
            return "${" + match[1] + "}"
        name, has_default, default = match[2].partition(":-")
        if name in inside:
            raise JudgeInputError(f"template {template!r}: ${{{name}}} leads back to itself")
        if name in values:
            return _expanded(values[name], values, (*inside, name))
        if has_default:
            return _expanded(default, values, (*inside, name))
        known = ", ".join(values) or "none"
        raise JudgeInputError(f"template {template!r}: unknown name {name!r}; known: {known}")

    return _VARIABLE.sub(replaced, template)
