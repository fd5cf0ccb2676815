"""Outlier ejection: endpoints that answer with an error are taken out, which can leave none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from harness.faults.condition import refuse_others, whole_number
from harness.faults.pool import PolicyFault
from harness.faults.port import Arguments, Usage, Words
from harness.faults.values import host_name
from harness.model.declared import Scalar
from harness.model.json import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlierEjection(PolicyFault):
    """An endpoint of ``host`` that answers with ``errors`` errors (5xx) in a row gets no requests for a while."""

    kind: ClassVar[str] = "outlier_ejection"
    flags: ClassVar[tuple[str, ...]] = ("UH",)
    usage: ClassVar[Usage] = Usage(
        value="ERRORS",
        example="1",
        help="an endpoint with so many errors in a row is taken out, even if it is the last one",
        signal="response flag UH",
        needs="real errors (5xx) of the service",
    )

    errors: int

    @classmethod
    def parse(cls, arguments: Arguments) -> OutlierEjection:
        """``HOST ERRORS``."""
        refuse_others(arguments, cls.kind, "value")
        return outlier_ejection(arguments.host, whole_number(arguments.value, f"{cls.kind}({arguments.host})"))

    @property
    def params(self) -> Mapping[str, Scalar]:
        """The number of errors."""
        return {"errors": self.errors}

    @property
    def policy(self) -> JsonObject:
        """Every endpoint may be taken out. An ejection outlives the policy on a cluster by ``baseEjectionTime``."""
        return {
            "outlierDetection": {
                "consecutive5xxErrors": self.errors,
                "interval": "1s",
                "baseEjectionTime": "5s",
                "maxEjectionPercent": 100,
            }
        }

    @property
    def unmet(self) -> str:
        """Why no call met the condition."""
        return f"no endpoint answered with {self.errors} errors in a row, or others were left"

    def words(self) -> Words:
        """``outlier_ejection(ratings, 1)``."""
        return Words(
            text=f"{self.kind}({self.host}, {self.errors})",
            effect=f"an endpoint of {self.host} that answers with {self.errors} errors in a row gets no requests for "
            "5 s; without endpoints, requests get a 503",
        )


def outlier_ejection(host: str, errors: int = 1) -> OutlierEjection:
    """Take an endpoint of ``host`` out for 5 s after ``errors`` errors (5xx) in a row, even if it is the last one.

    It needs real errors of the service: those that a proxy injects do not count. It holds for every caller. Raises
    UsageError for an empty host or for less than 1 error.
    """
    return OutlierEjection(host=host_name(host), errors=whole_number(errors, f"outlier_ejection({host})"))
