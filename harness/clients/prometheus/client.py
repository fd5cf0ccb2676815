"""Ask Prometheus: instant and range queries, label names and values, the clock.

prometheus-api-client sends the requests. Around it this module does what it does not: it cuts a range into chunks that
the server accepts, asks several things at once, tries again when the server is overloaded, keeps warnings, reads native
histograms, and turns every failure into an error with the server's own message and the query.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from datetime import UTC, datetime
from functools import partial
from typing import Self, TypeVar

import requests
from prometheus_api_client import PrometheusConnect
from pydantic_core import from_json
from requests.adapters import BaseAdapter
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from urllib3.exceptions import DecodeError, HTTPError
from urllib3.util.retry import Retry

from harness.clients.prometheus.access import session_for
from harness.clients.prometheus.answers import RangeResult, RawSeries, joined, series_list
from harness.errors import MetricsError, MetricsRefusal
from harness.model.json import JsonObject, JsonValue
from harness.model.prometheus import PrometheusAccess
from harness.userinfo import without_userinfo

MOST_POINTS = 11_000
"""Prometheus refuses a range with more points in one series."""
TIMEOUT_S = 30.0
TRIES = 4
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.2, 5.0
_AGAIN = frozenset({0, 408, 429, 500, 502, 503, 504})
"""Statuses after which the same request may succeed; 0 stands for no answer."""
_AT_ONCE = 6
_PART = 1 << 16
_REDIRECTS = range(300, 400)
_WHOLE = {"partial_response": "false"}
"""Thanos refuses then what it could answer in part only; the other servers ignore it."""
_KINDS = {"query": ("vector", "scalar"), "query_range": ("matrix",)}
"""The types of results by the last part of the path."""
_MOST_BYTES = 200_000_000
_query: ContextVar[str] = ContextVar("query", default="")
T = TypeVar("T")


class Prometheus:
    """A Prometheus server. As a context manager, it closes its connections on exit.

    warnings, infos: what the server said besides its results, each once. A warning may mean that an answer is partial.
    """

    def __init__(
        self,
        url: str,
        *,
        access: PrometheusAccess | None = None,
        transport: BaseAdapter | None = None,
        timeout_s: float = TIMEOUT_S,
        tries: int = TRIES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Read the credentials that ``access`` names; nothing is sent yet.

        transport: carries the requests instead of a connection to the URL. tries: how often a request is sent at most.
        Raises MetricsError for a secret that is missing.
        """
        self._url = url.rstrip("/")
        self._sleep, self._tries, self._timeout_s = sleep, tries, timeout_s
        self.warnings: dict[str, None] = {}
        self.infos: dict[str, None] = {}
        session, auth = session_for(self._url, access or PrometheusAccess())
        session.hooks["response"] = [self._checked]
        self._server = PrometheusConnect(
            url=self._url, session=session, auth=auth, timeout=timeout_s, retry=Retry(0, redirect=False)
        )
        if transport is not None:
            session.mount(self._url, transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def query(self, query: str, *, at_s: float | None = None) -> tuple[RangeResult, ...]:
        """Evaluate a PromQL expression at an epoch time, or now. Raises MetricsError."""
        params = {**_WHOLE, **({} if at_s is None else {"time": f"{at_s:.3f}"})}
        found: list[RawSeries] = self._ask(query, lambda: self._server.custom_query(query, params=dict(params)))
        return series_list(_vector(found), query)

    def query_range(self, query: str, *, start_s: float, end_s: float, step_s: float) -> tuple[RangeResult, ...]:
        """Evaluate a PromQL expression every ``step_s`` seconds between two epoch times. Raises MetricsError."""
        spans = list(chunks(start_s, end_s, step_s))
        if len(spans) == 1:
            return self._chunk(query, spans[0], step_s)
        return joined(self.at_once([partial(self._chunk, query, span, step_s) for span in spans]))

    def label_values(self, label: str, *, start_s: float, end_s: float, match: str = "") -> tuple[str, ...]:
        """Return the values of a label (``__name__``: the metrics) between two epoch times. Raises MetricsError."""
        params: dict[str, str] = {
            "start": f"{start_s:.3f}",
            "end": f"{end_s:.3f}",
            **_WHOLE,
            **({"match[]": match} if match else {}),
        }
        what = f"values of {label}" + (f" of {match}" if match else "")
        return self._ask(what, lambda: _names(self._server.get_label_values(label, params=dict(params))))

    def now_s(self) -> float:
        """Return the time of the server's clock in epoch seconds. Raises MetricsError."""
        found = self.query("time()")
        values = found[0].values if found else ()
        if not values or not math.isfinite(values[-1]):
            raise self._refusal("no time in its answer; is it a Prometheus?", -1, "time()")
        return values[-1]

    def at_once(self, asks: Sequence[Callable[[], T]]) -> list[T]:
        """Return the results of some questions, several of which are sent at the same time; raise the first error."""
        with ThreadPoolExecutor(min(_AT_ONCE, len(asks)) or 1, thread_name_prefix="prometheus") as pool:
            return list(pool.map(lambda ask: copy_context().run(ask), asks))

    def _chunk(self, query: str, span: tuple[float, float], step_s: float) -> tuple[RangeResult, ...]:
        start, end = (datetime.fromtimestamp(at, UTC) for at in span)
        # The library rounds both times to seconds; these parameters replace its own.
        exact = {"start": f"{span[0]:.3f}", "end": f"{span[1]:.3f}", **_WHOLE}

        def ask() -> list[RawSeries]:
            found: list[RawSeries] = self._server.custom_query_range(
                query, start_time=start, end_time=end, step=f"{step_s:g}", params=dict(exact)
            )
            return found

        return series_list(self._ask(query, ask), query)

    def _ask(self, query: str, send: Callable[[], T]) -> T:
        """Send a request and return its result; try again while the server may recover."""

        def once() -> T:
            with self._translated(query):
                return send()

        return Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, MetricsRefusal) and error.status in _AGAIN),
            stop=stop_after_attempt(self._tries),
            wait=_wait_s,
            sleep=self._sleep,
            reraise=True,
        )(once)

    @contextmanager
    def _translated(self, query: str) -> Iterator[None]:
        token = _query.set(query)
        try:
            yield
        except requests.TooManyRedirects as error:
            raise self._refusal("a redirect, as to a login page", 302, query) from error
        except requests.exceptions.SSLError as error:
            reason = f"a certificate that is not accepted: {_reason(error)}; name its authority as prometheus.ca-file"
            raise self._refusal(reason, -1, query) from error
        except requests.RequestException as error:
            reason = f"{type(error).__name__}; check that it is running and that the URL is right"
            raise self._refusal(reason, 0, query) from error
        except (KeyError, TypeError, ValueError) as error:
            raise self._refusal("an answer without the parts of a result; is it a Prometheus?", -1, query) from error
        finally:
            _query.reset(token)

    def _checked(self, answer: requests.Response, *_: object, **__: object) -> None:
        """Raise MetricsRefusal for anything but a result, and keep the server's warnings. Runs for every response."""
        try:
            document = self._result(answer, _query.get())
        except MetricsRefusal:
            answer.close()
            raise
        for word, kept in (("warnings", self.warnings), ("infos", self.infos)):
            for text in _texts(document.get(word)):
                kept[without_userinfo(text)] = None
        vars(answer)["json"] = lambda **_: document  # parsed once, and by a faster parser

    def _result(self, answer: requests.Response, query: str) -> JsonObject:
        status = answer.status_code
        if status in _REDIRECTS:
            where = answer.headers.get("Location", "")
            raise self._refusal(f"a redirect to {where[:200]}: is that a login page?", status, query)
        content = self._content(answer, query)
        document = _document(content)
        if document is None:
            raise self._refusal(_not_json(answer), status, query)
        if status != requests.codes.ok or document.get("status") != "success":
            kind, message = document.get("errorType"), document.get("error") or document.get("message")
            said = f"{kind}: {message}" if kind else str(message or str(document)[:200])
            raise self._refusal(f"status {status}, {said}", status, query, wait_s=_retry_after(answer))
        self._check_kind(document, answer, query)
        return document

    def _content(self, answer: requests.Response, query: str) -> bytes:
        """Return the body, which has to arrive as a whole within the time of a request."""
        ends, parts, size = time.monotonic() + self._timeout_s, list[bytes](), 0
        try:
            while part := answer.raw.read1(_PART, decode_content=True):
                parts.append(part)
                size += len(part)
                if time.monotonic() > ends:
                    raise self._refusal(f"no whole answer within {self._timeout_s:g} s", 0, query)
                if size > _MOST_BYTES:
                    raise self._refusal(f"an answer of more than {_MOST_BYTES // 10**6} MB", -1, query)
        except DecodeError as error:
            raise self._refusal("a body that cannot be decompressed; is a proxy in between?", -1, query) from error
        except (HTTPError, OSError) as error:
            raise self._refusal(f"an answer that breaks off ({type(error).__name__})", 0, query) from error
        content = b"".join(parts)
        vars(answer).update(_content=content, _content_consumed=True)
        return content

    def _check_kind(self, document: JsonObject, answer: requests.Response, query: str) -> None:
        """Raise MetricsRefusal for a result of another kind than was asked for."""
        path, data = str(answer.url).partition("?")[0], document.get("data")
        kinds = (
            ("matrix",) if path.endswith("/query_range") else ("vector", "scalar") if path.endswith("/query") else ()
        )
        found = data.get("resultType") if isinstance(data, dict) else None
        if kinds and isinstance(data, dict) and found not in kinds:
            raise self._refusal(f"a result of type {found} instead of {' or '.join(kinds)}", -1, query)

    def _refusal(self, found: str, status: int, query: str, *, wait_s: float = 0.0) -> MetricsRefusal:
        hints = {
            401: "; set prometheus.credentials",
            403: "; these credentials may not ask",
        }
        return MetricsRefusal(
            f"Prometheus at {self._url}: expected a result for {query}, found {found[:600]}{hints.get(status, '')}",
            query=query,
            status=status,
            wait_s=wait_s,
        )


def chunks(start_s: float, end_s: float, step_s: float, *, most: int = MOST_POINTS) -> Iterator[tuple[float, float]]:
    """Yield the first and last instant of consecutive parts of a range, each of at most ``most`` instants."""
    if not (math.isfinite(start_s) and math.isfinite(end_s) and step_s > 0 and end_s >= start_s):
        raise MetricsError(f"expected a range of time and a step, found {start_s:g} to {end_s:g} every {step_s:g} s")
    instants = math.floor((end_s - start_s) / step_s + 1e-9) + 1
    for first in range(0, instants, most):
        last = min(first + most, instants) - 1
        yield start_s + first * step_s, start_s + last * step_s


def _wait_s(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.wait_s if isinstance(error, MetricsRefusal) else 0.0
    return min(max(asked, _FIRST_WAIT_S * 2.0 ** (state.attempt_number - 1)), _LONGEST_WAIT_S)


def _retry_after(answer: requests.Response) -> float:
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else 0.0


def _document(content: bytes) -> JsonObject | None:
    try:
        document = from_json(content)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _not_json(answer: requests.Response) -> str:
    kind = answer.headers.get("Content-Type", "no content type").split(";")[0]
    text = " ".join(answer.text[:200].split())
    return f"status {answer.status_code} with {kind} instead of JSON: {text!r}: is the URL that of a Prometheus?"


def _texts(value: JsonValue) -> list[str]:
    return [str(one) for one in (value if isinstance(value, list) else [value] if value else [])]


def _names(found: object) -> tuple[str, ...]:
    """Return a list of texts. Raises TypeError for anything else."""
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise TypeError("expected a list of texts")
    return tuple(found)


def _vector(found: object) -> object:
    """Return the series of a result; a scalar is a pair of time and number without labels."""
    if isinstance(found, list) and len(found) == 2 and isinstance(found[0], (int, float)):
        return [{"metric": {}, "value": (found[0], str(found[1]))}]
    return found


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[-160:]
