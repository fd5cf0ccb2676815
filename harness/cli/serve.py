"""``harness serve``: pages for people, and with ``--hooks`` webhooks and adapters for other tools."""

from __future__ import annotations

import argparse
import ipaddress
import os
import sys
from typing import TYPE_CHECKING

from harness.cli.options import add_config
from harness.cli.output import clean_print as print
from harness.config import read_config
from harness.errors import MissingExtra, UsageError

if TYPE_CHECKING:
    from harness.server.application import Address

HELP = (
    "Show releases, runs and the run that is under way as web pages on this machine. With --hooks, take events of "
    "GitHub and of registries, which start releases, and answer Argo Rollouts, Flagger and Kayenta. The section serve "
    "of harness.yaml says what may be started."
)
EXAMPLES = """\
  harness serve                             http://127.0.0.1:8080
  harness serve --hooks 0.0.0.0:8443        webhooks and adapters on an address of their own
  harness serve --address 127.0.0.1:0       on any free port, which is printed
"""
_PAGES = "127.0.0.1:8080"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_config(parser)
    parser.add_argument(
        "--address", default=_PAGES, metavar="HOST:PORT", help="where the pages listen; an address of loopback"
    )
    parser.add_argument(
        "--hooks", metavar="HOST:PORT", help="where webhooks and adapters listen (default: they are off)"
    )
    parser.add_argument(
        "--host-name",
        action="append",
        default=[],
        metavar="NAME",
        help="a name, besides those of loopback, by which a proxy asks for the pages; may be repeated",
    )
    parser.add_argument(
        "--any-address",
        action="store_true",
        help="let the pages listen on other addresses than loopback; they have no encryption, so put a proxy in front",
    )


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C and return 0."""
    try:
        from harness.server.application import serve
    except ModuleNotFoundError as error:
        if error.name not in {"starlette", "uvicorn", "h11"}:
            raise
        raise MissingExtra(extra="server", package=error.name, purpose="harness serve") from error
    config = read_config(args.config)
    pages = _address(args.address, "--address")
    if not args.any_address and not _is_loopback(pages.host):
        raise UsageError(
            f"--address: expected an address of loopback such as {_PAGES}, found {pages.host}; pages have no "
            "encryption: put a proxy in front and add --any-address"
        )
    serve(
        config,
        out=config.out,
        pages=pages,
        hooks=None if args.hooks is None else _address(args.hooks, "--hooks"),
        host_names=tuple(args.host_name),
        environment=os.environ,
        tell=lambda text: print(text, file=sys.stderr, flush=True),
    )
    return 0


def _address(text: str, option: str) -> Address:
    from harness.server.application import Address

    host, colon, port = text.rpartition(":")
    if not (host and colon and port.isdecimal() and int(port) < 65536):
        raise UsageError(f"{option}: expected HOST:PORT such as {_PAGES}, found {text!r}")
    return Address(host=host.strip("[]"), port=int(port))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
