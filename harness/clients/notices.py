"""Send a message to a webhook or by e-mail. Addresses of webhooks are secrets: errors name only the host."""

from __future__ import annotations

import json
import smtplib
from collections.abc import Mapping
from email.message import EmailMessage

import urllib3

from harness.errors import NoticeError, UsageError
from harness.model.json import JsonValue

_PATIENCE_S = 15.0


def post_webhook(url: str, document: Mapping[str, JsonValue]) -> None:
    """Post a JSON document. Raises UsageError for another address than http or https, and NoticeError unless accepted.

    No redirect is followed, because the message would then reach somebody else.
    """
    try:
        parsed = urllib3.util.parse_url(url)
    except urllib3.exceptions.LocationParseError as error:
        raise UsageError("the webhook: expected the address of a webhook, found none that can be read") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise UsageError(f"the webhook: expected an address that begins with https://, found {parsed.scheme}://...")
    headers = {"Content-Type": "application/json"}
    try:
        answer = urllib3.request(
            "POST", url, body=json.dumps(document).encode(), headers=headers, timeout=_PATIENCE_S, retries=False,
            redirect=False,
        )  # fmt: skip
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise NoticeError(
            f"the webhook at {parsed.host}: expected an answer within {_PATIENCE_S:g} s, found {type(error).__name__}"
        ) from error
    if not 200 <= answer.status < 300:
        raise NoticeError(f"the webhook at {parsed.host}: expected a status from 200 to 299, found {answer.status}")


def send_mail(server: str, *, sender: str, recipients: str, subject: str, text: str) -> None:
    """Send a plain e-mail through an SMTP server, ``host`` or ``host:port``, without a login.

    recipients: separated by commas. Raises UsageError for addresses that no mail can have, and NoticeError unless the
    server accepted the message for every recipient.
    """
    message = EmailMessage()
    try:
        message["Subject"], message["From"], message["To"] = " ".join(subject.split()), sender, recipients
    except ValueError as error:
        raise UsageError(f"the e-mail: expected addresses, found {sender!r} and {recipients!r}: {error}") from error
    message.set_content(text)
    host, _, port = server.partition(":")
    try:
        number = int(port or 25)
        with smtplib.SMTP(host, number, timeout=_PATIENCE_S) as connection:
            refused = connection.send_message(message)
    except ValueError as error:
        raise UsageError(f"the mail server: expected host or host:port, found {server!r}") from error
    except (smtplib.SMTPException, OSError) as error:
        raise NoticeError(f"the mail server {server}: expected it to accept the message, found {error}") from error
    if refused:
        raise NoticeError(f"the mail server {server}: refused the recipients {', '.join(refused)}")
