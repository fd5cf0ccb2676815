"""Import aiohttp, the web framework of the demo's services, or raise MissingExtra with the command that installs it."""

from harness.errors import MissingExtra

try:
    from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, web
except ModuleNotFoundError as error:
    raise MissingExtra(extra="demo", package="aiohttp", purpose="the demo's services") from error

__all__ = ["ClientError", "ClientSession", "ClientTimeout", "TCPConnector", "web"]
