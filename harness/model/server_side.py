"""The places where the server-side metrics of a mesh can be read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSide:
    """A Prometheus that the mesh runs (url), or else the pages that it polled: epoch time and text of each."""

    url: str | None = None
    pages: tuple[tuple[float, str], ...] = ()
