"""Tell owners of changes, once for each channel: a webhook, e-mail, or a file for a comment on a pull request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import bundle
from harness.clients.notices import post_webhook, send_mail
from harness.history import index
from harness.history.changes import Notice, untold
from harness.history.index import History
from harness.model.formatting import counted
from harness.model.json import JsonValue
from harness.printable import printable

SCHEMA = "harness.notice/1"
_MOST = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A way to tell owners.

    name: what the index remembers it by, without secrets. send: raises an error if the message is not accepted.
    """

    name: str
    send: Callable[[Sequence[Notice]], None]


def webhook(url: str, *, name: str) -> Channel:
    """Return the channel that posts JSON to ``url``; ``text`` in it is what chat services show."""

    def send(found: Sequence[Notice]) -> None:
        changes: list[JsonValue] = [
            {"kind": one.kind, "scenario": one.scenario, "run": one.run, "text": one.text, "worse": one.worse}
            for one in found[:_MOST]
        ]
        post_webhook(url, {"schema": SCHEMA, "text": plain(found), "changes": changes})

    return Channel(name=name, send=send)


def mail(server: str, *, sender: str, recipients: str) -> Channel:
    """Return the channel that sends an e-mail."""

    def send(found: Sequence[Notice]) -> None:
        subject = f"harness: {counted(len(found), 'change')} in {found[0].run}"
        send_mail(server, sender=sender, recipients=recipients, subject=subject, text=plain(found))

    return Channel(name=f"mail:{recipients}", send=send)


def comment(path: Path, markdown: Callable[[Sequence[Notice]], str]) -> Channel:
    """Return the channel that writes a Markdown file, for an action that puts it into a pull request."""

    def send(found: Sequence[Notice]) -> None:
        with bundle.recording(path):
            bundle.write_atomically(path, markdown(found).encode())

    return Channel(name=f"comment:{path.name}", send=send)


def tell(path: Path, history: History, found: Sequence[Notice], channels: Sequence[Channel]) -> Mapping[str, int]:
    """Send each channel the changes that it has not received, record them in the index, and return their number.

    If a channel fails, it gets them the next time. Raises NoticeError for the first one that failed, after the others
    were told.
    """
    told: dict[str, int] = {}
    failure: Exception | None = None
    for channel in channels:
        fresh = untold(history, found, channel.name)
        try:
            if fresh:
                channel.send(fresh)
        except Exception as error:  # noqa: BLE001 - raised below, when the other channels have been told
            failure = failure or error
            continue
        known = history.told.get(channel.name, frozenset())
        keys = [notice.key for notice in found if notice.key not in known]
        if keys or channel.name not in history.told:  # an empty list too: the first time is over
            index.note_told(path, channel.name, keys)
        told[channel.name] = len(fresh)
    if failure is not None:
        raise failure
    return told


def plain(found: Sequence[Notice]) -> str:
    """Return the changes as lines of text."""
    lines = [f"- {printable(one.text).replace(chr(10), ' ')[:500]} (run {one.run})" for one in found[:_MOST]]
    more = [f"- and {len(found) - _MOST} more"] if len(found) > _MOST else []
    return "\n".join([f"{counted(len(found), 'change')}:", *lines, *more]) + "\n"
