"""The fields of an HTTPRoute, as the standard channel of the Gateway API has them (version 1.6)."""

from __future__ import annotations

from harness.routing.istio.shapes import Fields, Leaf, Listed, Shape, Table, choice, span, text, whole

FILTERS = {
    "RequestHeaderModifier": "requestHeaderModifier",
    "ResponseHeaderModifier": "responseHeaderModifier",
    "RequestRedirect": "requestRedirect",
    "URLRewrite": "urlRewrite",
    "RequestMirror": "requestMirror",
    "CORS": "cors",
    "ExtensionRef": "extensionRef",
}
"""The field that contains a filter, by its type."""

_ANY = Leaf("anything", lambda _: True)
_PORT = whole(1, 65535, "a port from 1 to 65535")
_TEXTS = Listed(text())
_HEADER = Fields({"name": text(), "value": text()}, required=("name", "value"))
_HEADER_CHANGES = Fields({"set": Listed(_HEADER), "add": Listed(_HEADER), "remove": _TEXTS})
_CONDITION = Fields(
    {"type": choice("Exact", "RegularExpression"), "name": text(), "value": text()}, required=("name", "value")
)
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
_MATCH = Fields(
    {
        "path": Fields({"type": choice("Exact", "PathPrefix", "RegularExpression"), "value": text()}),
        "headers": Listed(_CONDITION),
        "queryParams": Listed(_CONDITION),
        "method": choice(*_METHODS),
    }
)
_NEW_PATH = Fields(
    {
        "type": choice("ReplaceFullPath", "ReplacePrefixMatch"),
        "replaceFullPath": text(),
        "replacePrefixMatch": text(),
    },
    required=("type",),
)
_OBJECT = {"group": text(), "kind": text(), "namespace": text(), "name": text(), "port": _PORT}
_FILTER_FIELDS: dict[str, Shape] = {
    "requestHeaderModifier": _HEADER_CHANGES,
    "responseHeaderModifier": _HEADER_CHANGES,
    "requestRedirect": Fields(
        {
            "scheme": choice("http", "https"),
            "hostname": text(),
            "path": _NEW_PATH,
            "port": _PORT,
            "statusCode": Leaf("one of 301, 302, 303, 307, 308", lambda code: code in (301, 302, 303, 307, 308)),
        }
    ),
    "urlRewrite": Fields({"hostname": text(), "path": _NEW_PATH}),
    "requestMirror": Fields(
        {
            "backendRef": Fields(_OBJECT, required=("name",)),
            "percent": whole(0, 100),
            "fraction": Fields(
                {"numerator": whole(0, 2**31 - 1), "denominator": whole(1, 2**31 - 1)}, required=("numerator",)
            ),
        },
        required=("backendRef",),
    ),
    "cors": _ANY,
    "extensionRef": _ANY,
}
_FILTER = Fields({"type": choice(*FILTERS), **_FILTER_FIELDS}, required=("type",))
_BACKEND = Fields({**_OBJECT, "weight": whole(0, 1_000_000), "filters": Listed(_FILTER)}, required=("name",))
_RULE = Fields(
    {
        "name": text(),
        "matches": Listed(_MATCH),
        "filters": Listed(_FILTER),
        "backendRefs": Listed(_BACKEND),
        "timeouts": Fields({"request": span(zero=True), "backendRequest": span(zero=True)}),
        "retry": Fields(
            {"codes": Listed(whole(400, 599)), "attempts": whole(0, 2**31 - 1), "backoff": span()},
        ),
        "sessionPersistence": _ANY,
    }
)
HTTP_ROUTE = Fields(
    {
        "apiVersion": text(),
        "kind": text(),
        "metadata": Table(_ANY),
        "status": _ANY,
        "spec": Fields(
            {
                "parentRefs": Listed(Fields({**_OBJECT, "sectionName": text()}, required=("name",))),
                "hostnames": _TEXTS,
                "rules": Listed(_RULE),
                "useDefaultGateways": text(),
            }
        ),
    },
    required=("spec",),
)
