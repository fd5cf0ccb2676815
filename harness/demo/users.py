"""Users of the demo: they send requests at fixed times, whatever the answers, and count what went wrong.

They use several APIs of the application. An answer without stars shows that ratings failed (at once) or was slow (after
the time that reviews waits for it, which happens on a busy machine too). On SIGTERM the counts are written as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from harness.demo.reviews import RATINGS_TIMEOUT_S
from harness.demo.web import ClientError, ClientSession, ClientTimeout, TCPConnector

_TIMEOUT_S = 10.0
_CALLS = (
    ("productpage:9080", "/productpage"),
    ("productpage:9080", "/api/v1/products/{}"),
    ("reviews:9080", "/reviews/{}"),
    ("details:9080", "/details/{}"),
)
_MISSING = "Ratings service is currently unavailable", "reviews are currently unavailable", '"reviews": null'


@dataclass(slots=True, kw_only=True)
class Counts:
    """What users saw.

    failed: answers that are no 2xx, and missing ones. starless: answers without stars or reviews that came sooner than
    reviews gives up waiting: ratings failed. late: those that came later: ratings was slow. slowest_s: the longest wait
    for an answer, from when it was due. new, old: answers with reviews of that build. first: what failed first.
    """

    sent: int = 0
    failed: int = 0
    starless: int = 0
    late: int = 0
    new: int = 0
    old: int = 0
    slowest_s: float = 0.0
    first: str = ""


class Users:
    """Sends requests until it is told to end."""

    def __init__(self, url: str, *, rate_rps: float, seed: int) -> None:
        """url: where all services are reached by their Host header."""
        self._url, self._rate_rps, self._random = url, rate_rps, Random(seed)  # noqa: S311 - not for security
        self.counts = Counts()
        self.over = asyncio.Event()

    async def run(self) -> None:
        """Send one request after the other at its time; each is its own task, so a slow answer delays no other."""
        started, number, tasks = time.monotonic(), 0, set[asyncio.Task[None]]()
        timeout = ClientTimeout(total=_TIMEOUT_S)
        async with ClientSession(timeout=timeout, connector=TCPConnector(limit=0)) as session:
            while not self.over.is_set():
                due = started + number / self._rate_rps
                number += 1
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                task = asyncio.create_task(self._send(session, due))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            await asyncio.gather(*tasks)

    async def _send(self, session: ClientSession, due: float) -> None:
        host, path = self._random.choice(_CALLS)
        self.counts.sent += 1
        trouble, text = "", ""
        try:
            async with session.get(
                f"{self._url}{path.format(self._random.randrange(10))}", headers={"Host": host}
            ) as answer:
                text = await answer.text()
                trouble = "" if 200 <= answer.status < 300 else f"status {answer.status}: {text[:100]}"
        except (ClientError, TimeoutError) as error:
            trouble = repr(error)
        took_s = time.monotonic() - due
        self.counts.slowest_s = max(self.counts.slowest_s, took_s)
        if trouble:
            self.counts.failed += 1
            self.counts.first = self.counts.first or f"{host}{path} after {took_s:.3f} s: {trouble}"
            return
        if any(sign in text for sign in _MISSING):
            self.counts.late += took_s >= RATINGS_TIMEOUT_S
            self.counts.starless += took_s < RATINGS_TIMEOUT_S
        self.counts.new += "reviews-v3" in text or "color: red" in text
        self.counts.old += "reviews-v2" in text or "color: black" in text


async def _main(args: argparse.Namespace) -> None:
    users = Users(args.url, rate_rps=args.rate, seed=args.seed)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, users.over.set)
    await users.run()
    args.out.write_text(json.dumps(asdict(users.counts)), encoding="utf-8")


def main() -> None:
    """Run the users until SIGTERM."""
    parser = argparse.ArgumentParser(description="Send requests of users to the demo.", allow_abbrev=False)
    parser.add_argument("--url", required=True, help="where all services are reached by their Host header")
    parser.add_argument("--rate", type=float, default=50.0, help="requests per second (default: 50)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the choice of APIs (default: 1)")
    parser.add_argument("--out", type=Path, required=True, help="file for the counts")
    asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    main()
