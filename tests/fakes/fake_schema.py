"""What a real API server says about the body of an Istio object: CRD schema, CEL on durations, Istio's webhook.

The schema is our own, in ``istio_schema``; kinds that it does not know are not checked.
"""

from __future__ import annotations

import json
import re
from typing import Any

from istio_schema import SPECS

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)")
_MS = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4, "h": 3.6e6}


def schema_errors(kind: str, spec: Any) -> tuple[list[str], list[str]]:
    """Violations of the schema, and the paths of unknown fields, which are pruned from ``spec`` in place."""
    schema, errors, unknown = SPECS.get(kind), [], []
    if schema is not None:
        _check(schema, spec, "spec", errors, unknown)
    return errors, unknown


def _check(schema: Any, value: Any, path: str, errors: list[str], unknown: list[str]) -> None:
    expected = schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        return
    if expected in _TYPES and (
        not isinstance(value, _TYPES[expected]) or (isinstance(value, bool) and expected != "boolean")
    ):
        errors.append(f'{path}: Invalid value: "{type(value).__name__}": must be of type {expected}')
        return
    if isinstance(value, dict):
        _check_object(schema, value, path, errors, unknown)
    if isinstance(value, list):
        for index, item in enumerate(value):
            _check(schema.get("items", {}), item, f"{path}[{index}]", errors, unknown)
    if "enum" in schema and value not in schema["enum"]:
        errors.append(f"{path}: Unsupported value: {value!r}")
    errors.extend(
        f"{path}: Invalid value: {value!r}: {validation.get('message', 'invalid duration')}"
        for validation in schema.get("x-kubernetes-validations", ())
        if "duration(self)" in validation.get("rule", "") and not _long_enough(value)
    )


def _check_object(schema: Any, value: Any, path: str, errors: list[str], unknown: list[str]) -> None:
    known = schema.get("properties")
    for name in [*value]:
        if known and name in known:
            _check(known[name], value[name], f"{path}.{name}", errors, unknown)
        elif isinstance(schema.get("additionalProperties"), dict):
            _check(schema["additionalProperties"], value[name], f"{path}.{name}", errors, unknown)
        elif known is not None and not schema.get("x-kubernetes-preserve-unknown-fields"):
            unknown.append(f"{path}.{name}")
            del value[name]
    errors.extend(f"{path}.{name}: Required value" for name in schema.get("required", ()) if name not in value)
    for group in (schema.get("oneOf"), *(part.get("oneOf") for part in schema.get("allOf", ()))):
        wanted = [tuple(option.get("required", ())) for option in group or () if option.get("required")]
        if sum(all(name in value for name in names) for names in wanted) > 1:
            errors.append(f"{path}: Invalid value: must validate one and only one schema (oneOf)")


def _long_enough(value: Any) -> bool:
    parts = _DURATION.findall(value) if isinstance(value, str) else []
    whole = "".join(number + unit for number, unit in parts) == value
    return bool(parts) and whole and sum(float(number) * _MS[unit] for number, unit in parts) >= 1


def webhook_errors(kind: str, spec: Any) -> list[str]:
    """What Istio's validating webhook refuses that the schema lets through."""
    errors = []
    for route in spec.get("http") or () if kind == "VirtualService" else ():
        fault = route.get("fault")
        if fault == {}:
            errors.append("HTTP fault injection must have an abort and/or a delay")
        if fault and (route.get("redirect") or route.get("directResponse")):
            errors.append("HTTP route cannot contain both fault and redirect")
        for part in (fault or {}).values():
            value = (part.get("percentage") or {}).get("value", 0)
            if not (value == 0 or 0.0001 <= value <= 100):
                errors.append(f"percentage {value} is not in range 0.0001..100")
        status = ((fault or {}).get("abort") or {}).get("httpStatus", 503)
        if not 200 <= status <= 600:
            errors.append(f"HTTP status {status} is not in range 200..599")
        if not (route.get("route") or route.get("redirect") or route.get("directResponse") or route.get("delegate")):
            errors.append("HTTP route, redirect or direct_response is required")
        errors.extend("weight may not be negative" for item in route.get("route") or () if item.get("weight", 0) < 0)
    return errors


def webhook_warnings(kind: str, spec: Any) -> list[str]:
    """What Istio's webhook warns of: rules that can never match, and aborts without a kind."""
    warnings, seen, last = [], {}, None
    for index, route in enumerate(spec.get("http") or () if kind == "VirtualService" else ()):
        name = f'"{route["name"]}"' if route.get("name") else f"#{index}"
        abort = (route.get("fault") or {}).get("abort")
        if abort is not None and not {"httpStatus", "grpcStatus"} & set(abort):
            warnings.append("abort fault injection has no type: nothing is injected")
        blocks = [json.dumps(block, sort_keys=True) for block in route.get("match") or ()]
        if not blocks:
            if last is not None:
                warnings.append(f"virtualService rule {name} not used (only the last rule can have no matches)")
            last = index
        elif last is not None:
            warnings.append(f"virtualService rule {name} not used (route without matches defined before)")
        elif all(block in seen for block in blocks):
            warnings.append(f"virtualService rule {name} not used (all matches used by prior rules)")
        else:
            warnings.extend(
                f"virtualService rule {name} match duplicates a match in rule #{seen[b]}" for b in blocks if b in seen
            )
        for block in blocks:
            seen.setdefault(block, index)
    return warnings
