"""The version of Istio that the local mesh follows."""

from __future__ import annotations

from dataclasses import dataclass

OLDEST, NEWEST = (1, 20), (1, 31)
"""The versions between which the local mesh knows what changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedIstio:
    """Which Istio the local mesh behaves like.

    version: major and minor. as_istio: serve what Istio accepts and serves badly, such as a route to an unknown subset,
    where the harness would refuse it. allow_any: whether requests to hosts that are no service are passed on to them
    (ALLOW_ANY), instead of being answered with 502 (REGISTRY_ONLY).
    """

    version: tuple[int, int] = (1, 30)
    as_istio: bool = False
    allow_any: bool = False

    @property
    def retries_503(self) -> bool:
        """Whether a request is sent again after a 503 where no retries are set; Istio stopped that in 1.24."""
        return self.version < (1, 24)

    @property
    def marks_copies(self) -> bool:
        """Whether the Host of mirrored requests gets the suffix -shadow; Istio stopped that in 1.28."""
        return self.version < (1, 28)
