"""Make hostile inputs, and check that a reader survives each of them."""

from __future__ import annotations

import atexit
import copy
import json
import os
import resource
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from harness.errors import HarnessError

EXAMPLES = int(os.environ.get("HARNESS_FUZZ_EXAMPLES", "60"))
"""Inputs for each target. A few make a short test; make fuzz asks for many."""
MOST_S = 2.0
"""Most CPU time for one input; more counts as a hang."""
MOST_BYTES = 2 * 2**30
"""Most address space that a reader may add for an input; more is a MemoryError."""
COUNTS: Counter[str] = Counter()
"""Inputs by target, for the summary. Shrinking and the inputs of a failing target count too."""

fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize="HARNESS_FUZZ_EXAMPLES" not in os.environ,
    print_blob=False,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
"""Short runs always use the same inputs, so that a failure is never luck. Long runs use new ones."""

NUMBERS: tuple[Any, ...] = (
    0, -0.0, -1, 1, 0.5, 99.99999999, 100, 101, 599, 600, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64,
    -(2**63), -(2**63) - 1, 10**30, 10**400, -(10**400), 1e308, -1e308, 5e-324, 1e-9,
    float("inf"), float("-inf"), float("nan"),
)  # fmt: skip
TEXTS = (
    "", " ", "\n", "\t", "\0", "\x1b[2J", "\x07", "\ud800", "\udcff", "\u202e", "\ufeff", "\u2028", "é", "😀", "a" * 300,
    "/", "//", "..", "../..", "~", "~nobody", ".", "*", "**", "[", "[]", "{", "}", "{}", "{x}", "{0}", "{port}", "%s",
    "%", "$", "$X", "${X}", "(", "((((", "(a+)+$", "\\", "'", '"', "`", ";", ":", ",", "|", "#", "&", "=", "<", ">",
    "null", "true", "no", "NaN", "nan", "inf", "-inf", "1e999", "-1", "1_000", "0x10", "0o7", "1.5.2", "9" * 400, "@",
    "9" * 5000, "1" + "0" * 310 + "s", "9" * 400 + "%", "1h" * 500, "-1s", "1s1s", "1e400ms", "0s", "100%", "1e2%", "!",
    "٣s", "५%", "²", "12:30", "2026-11-28", "2026-11-28T25:61:61Z", "0000-00-00", "http://", "http://[", "http://[::1",
    "http://x:99999", "http://a:b@c:d", "127.0.0.1:99999", "127.0.0.1:-1", ":80", "localhost", "*.com", "/etc/passwd",
    "latency_p99 < +10%", "latency_p999999 < 1", "error_rate < +1e999pp", "gauge: < 1", "latency_p99{a=} < +1%",
)  # fmt: skip
ODDITIES: tuple[Any, ...] = (None, True, False, [], {}, [[]], [None], [{}], {"": ""}, {"a": None}, {"a": {"b": []}})

scalars = st.sampled_from(NUMBERS) | st.sampled_from(TEXTS) | st.sampled_from(ODDITIES)
texts = st.sampled_from(TEXTS) | st.text(max_size=20)
values = scalars | st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)
FOLDER = Path(tempfile.mkdtemp(prefix="harness-fuzz-"))
_OWNER = os.getpid()


def _remove_folder() -> None:
    """Remove the folder, but not from a process that another test forked."""
    if os.getpid() == _OWNER:
        shutil.rmtree(FOLDER, ignore_errors=True)


atexit.register(_remove_folder)


class Hang(BaseException):
    """One input took more than ``MOST_S`` seconds of CPU time."""


def survives(target: str, read: Callable[[], object]) -> bool:
    """Return whether ``read`` accepted its input. Its own errors refuse the input; all others, and hangs, fail."""
    COUNTS[target] += 1
    message = None
    with _limited():
        try:
            read()
        except HarnessError as error:
            message = str(error)
    assert message is None or message.strip(), "an error without a message"
    return message is None


@contextmanager
def _limited() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Hang(f"more than {MOST_S:g} s of CPU time")

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + MOST_BYTES, hard))
    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, MOST_S)
    started = time.process_time()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    assert time.process_time() - started < 2 * MOST_S


def _address_space() -> int:
    """Return the bytes of address space that this process has. Earlier tests of the same process decide how many."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def written(name: str, content: str | bytes) -> Path:
    """Write an input to a file and return its path. Text may have halves of characters, which UTF-8 cannot."""
    path = FOLDER / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    return path


def places(document: Any, place: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the place of every value in a document, the document itself included."""
    found = [place]
    items: Any = ()
    if isinstance(document, dict):
        items = document.items()
    elif isinstance(document, list):
        items = enumerate(document)
    for key, value in items:
        found += places(value, (*place, key))
    return found


def mutated(*documents: Any) -> st.SearchStrategy[Any]:
    """Return valid documents in which one to three values or keys are replaced, dropped, doubled or added."""
    known = [(document, places(document)) for document in documents]

    @st.composite
    def one(draw: st.DrawFn) -> Any:
        document, where = draw(st.sampled_from(known))
        document = copy.deepcopy(document)
        for _ in range(draw(st.integers(1, 3))):
            document = _changed(document, draw(st.sampled_from(where)), draw(st.integers(0, 9)), draw)
        return document

    return one()


def _changed(document: Any, place: Sequence[str | int], how: int, draw: st.DrawFn) -> Any:
    if not place:
        return draw(values) if how == 0 else document
    inside = document
    try:
        for key in place[:-1]:
            inside = inside[key]
        old = inside[place[-1]]
    except (KeyError, IndexError, TypeError):
        return document  # an earlier change removed the place
    if isinstance(inside, str):
        return document  # an earlier change put a text here, which has no parts to change
    key = place[-1]
    if how == 1:
        del inside[key]
    elif how == 2 and isinstance(inside, dict):
        inside[draw(texts)] = inside.pop(key)
    elif how == 3 and isinstance(inside, list):
        inside.append(copy.deepcopy(old))
    elif how == 4 and isinstance(old, dict):
        old[draw(texts)] = draw(values)
    elif how == 5 and isinstance(old, list):
        old.append(draw(values))
    else:
        inside[key] = draw(values)
    return document


_YAML_TOKENS = (
    "a", "b", "<<", ": ", ":", "\n", "\n  ", "\n    ", "\n- ", "- ", "? ", "[", "]", "{", "}", ", ", "&a ", "*a", "&b ",
    "*b", "|\n ", ">\n ", "'", '"', "!!int ", "!!float ", "!!str ", "!!bool ", "!!null ", "!!timestamp ", "!!binary ",
    "!!set ", "!x ", "!<", "%YAML ", "%TAG ", "---\n", "...\n", "# c\n", "1", "1.5", ".inf", ".nan", "0x", "0o", "~",
    "null", "true", "2026-01-01", "1:2", "\\x", "\\u", "\\U", "\\", "\t", "\r", "\0", "\x1b", "\x85", "\u2028",
    "\ufeff",
    "\ud800", "é", "@", "`", "%", "=", "9" * 50, "service", "kind",
)  # fmt: skip
yaml_texts = st.lists(st.sampled_from(_YAML_TOKENS), max_size=30).map("".join)
_JSON_TOKENS = (
    "{", "}", "[", "]", ":", ",", '"', '"a"', '"format_version"', "1", "-", "1e999", "9" * 5000, "NaN", "Infinity",
    "-Infinity", "null", "true", "\\u", "\\ud800", "\\", " ", "\n", "\0", "\x1b", "\ud800", "/*", "é", "[" * 2000,
)  # fmt: skip
json_texts = st.lists(st.sampled_from(_JSON_TOKENS), max_size=15).map("".join)


def as_json(document: Any) -> str:
    """Return a document as JSON with the words NaN and Infinity; integers that Python cannot write are cut."""
    try:
        return json.dumps(document)
    except ValueError:
        return "9" * 6000


def as_yaml(document: Any) -> str:
    """Return a document as YAML."""
    try:
        return yaml.safe_dump(document, sort_keys=False)
    except ValueError:
        return "a: " + "9" * 6000
