"""Counts of requests, as proxies report them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCount:
    """One row of the proxies' ``istio_requests_total``: labels and a running total.

    reporter: ``source`` for what callers' proxies counted, ``destination`` for the called side's, where it has any, and
    ``endpoint`` for the requests that callers' proxies sent to one address of the called workload. ``waiting`` is for
    the requests that callers' proxies have not answered yet, where that is counted; it is no running total. ``limited``
    is for how often data of requests had to wait for a bandwidth limit, where there is one, and ``cut off`` for the
    requests that callers' proxies ended because they lasted too long, where that is counted. address: of the called
    workload, such as ``127.0.0.1:9080``; only for the reporter ``endpoint``. attempts: how often the proxies sent these
    requests, with their own retries; 0 where that is not counted.
    """

    source_workload: str
    source_version: str
    destination_service: str
    destination_version: str
    response_code: str
    response_flags: str
    total: int
    reporter: str = "source"
    address: str = ""
    attempts: int = 0


def count_of_caller(reporter: str, workload: str, version: str, *, host: str, total: int) -> RequestCount:
    """Return a row for what a caller's proxy counted of all its calls to a host, whatever the answer was."""
    return RequestCount(
        source_workload=workload,
        source_version=version,
        destination_service=host,
        destination_version="",
        response_code="",
        response_flags="",
        total=total,
        reporter=reporter,
    )
