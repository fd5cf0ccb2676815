"""The keys of ``harness.yaml`` as pydantic models; the JSON Schema and the key reference are generated from them.

The models check one value at a time. ``harness.config.building`` compares values with each other and with the disk.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, GetJsonSchemaHandler, ValidationInfo, field_validator, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from harness.config.cluster import ClusterKeys
from harness.config.gauges import GaugeKeys, GaugeName
from harness.config.indicators import IndicatorKeys
from harness.config.istio import IstioKeys
from harness.config.prometheus import PrometheusKeys
from harness.config.publish import PublishKeys
from harness.config.release import ReleaseKeys
from harness.config.section import Section
from harness.config.serve import ServeKeys
from harness.config.services import ServiceKeys
from harness.config.stand_ins import StandInKeys
from harness.config.values import (
    PERCENT_FORMS,
    ArrivalsName,
    Between,
    Count,
    Duration,
    Length,
    Percent,
    SplitByName,
    Switch,
    Text,
    Words,
    expected,
    refused,
)
from harness.errors import ObjectiveError
from harness.judge.objectives import DEFAULT_OBJECTIVES, parse_objective
from harness.model.config import GuardSettings
from harness.model.judge import JudgeSettings
from harness.model.load import Arrivals
from harness.model.objective import Objective
from harness.model.split import SplitBy

_GUARDS = GuardSettings()
_JUDGE = JudgeSettings()


class ArmKeys(Section):
    """The two versions of the service that are compared."""

    baseline: Text
    """The version that runs today."""

    canary: Text
    """The version that is to replace it."""


class SplitKeys(Section):
    """How requests are divided between the arms. A percentage alone is the canary's share, by weight."""

    by: SplitByName = SplitBy.WEIGHT
    """weight: the proxy draws. header: the load generator chooses. mirror: the canary gets copies of requests."""

    share: Percent | None = None
    """The canary's share of the requests. Default: 50%, or 100% with mirror."""

    @model_validator(mode="before")
    @classmethod
    def _from_share(cls, value: object) -> object:
        return value if value is None or isinstance(value, dict) else {"share": value}

    @field_validator("share")
    @classmethod
    def _not_one_sided(cls, share: float | None, info: ValidationInfo) -> float | None:
        may_be_all = info.data.get("by") is SplitBy.MIRROR
        if share is not None and not (0 < share < 1 or (may_be_all and share == 1)):
            raise expected(f"more than 0 % and {'at most' if may_be_all else 'less than'} 100 %")
        return share

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return a schema that accepts a percentage or the mapping."""
        mapping = super().__get_pydantic_json_schema__(core_schema, handler)
        return {"anyOf": [*PERCENT_FORMS, mapping]}


class LoadKeys(Section):
    """The load that is sent unless a scenario says otherwise."""

    profile: Text = "browse"
    """The name of a load profile: a locustfile in one of the folders."""

    rate_rps: Annotated[float, Between(0.1, 1e6)] = 100.0
    """Requests per second."""

    arrivals: ArrivalsName = Arrivals.POISSON
    """The spacing of requests: even, or at random as a Poisson process."""

    folders: Words | None = None
    """The folders that hold load profiles, relative to this file. Default: loadprofiles."""


class PhaseKeys(Section):
    """The lengths of the phases unless a scenario says otherwise."""

    warm_up_s: Duration = 5.0
    """Load before anything is judged."""

    steady_s: Length = 30.0
    """Load without a fault. A range such as 10s..2m ends the phase as soon as all its objectives are decided."""

    fault_s: Length = 30.0
    """Load while the faults are live; a duration or a range."""

    recovery_s: Length = 15.0
    """Load after the faults have been removed; a duration or a range."""


class ObjectiveKeys(Section):
    """An objective such as latency_p99 < +10%, alone or with options."""

    objective: Text
    """The text of the objective."""

    weight: Annotated[float, Between(0, 1e6)] = 1.0
    """Its weight in the score."""

    group: Text = "default"
    """The group that reports show it in."""

    critical: Switch = False
    """Whether a failure of this objective alone fails the canary."""

    muted: Switch = False
    """Whether it is only reported and decides nothing."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        return {"objective": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _can_be_read(self) -> ObjectiveKeys:
        self.parsed()
        return self

    def parsed(self) -> Objective:
        """Return the objective as a value."""
        options = {name: value for name, value in dict(self).items() if name != "objective"}
        try:
            return parse_objective(self.objective, **options)
        except ObjectiveError as error:
            raise refused(str(error)) from error

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return a schema that accepts a text or the mapping."""
        return {"anyOf": [{"type": "string"}, super().__get_pydantic_json_schema__(core_schema, handler)]}


class JudgeKeys(Section):
    """How a run is judged."""

    name: Text = "sequential"
    """The judge: sequential, kayenta, limits, or alone for a build without a running one."""

    alpha: Annotated[float, Between(1e-6, 0.5)] = 0.01
    """The probability that a run fails a canary that is no worse than the baseline."""

    pass_score: Annotated[float, Between(0, 100)] = Field(default=95.0, alias="pass")
    """The lowest score of a pass."""

    marginal_score: Annotated[float, Between(0, 100)] = Field(default=75.0, alias="marginal")
    """The lowest score of a marginal verdict."""

    baseline_error_ceiling: Percent = _JUDGE.baseline_error_ceiling
    """The error rate of the baseline in the steady phase above which it is no reference and the run is inconclusive."""

    calibration: Text | None = None
    """A file that harness calibrate wrote: the noise of this environment. Default: none."""

    update_calibration: bool = False
    """Whether each run adds the noise of its steady phase to that file, which the first run makes if it is missing."""


class GuardKeys(Section):
    """What ends a run at once."""

    error_ceiling: Percent = _GUARDS.error_ceiling
    """The share of failed canary requests, over five seconds, that ends a run."""

    misses: Annotated[int, Count(1, 1000)] = _GUARDS.misses
    """The number of polls in a row (one a second) without an answer from Prometheus or the cluster that ends a run."""

    @field_validator("error_ceiling")
    @classmethod
    def _above_zero(cls, ceiling: float) -> float:
        if ceiling == 0:
            raise expected("more than 0 %")
        return ceiling


class Keys(Section):
    """harness.yaml: the service under test, how it runs, and how a canary of it is judged.

    Paths are relative to the file. Durations are texts such as 250ms or 1m30s, or numbers of seconds.
    """

    service: Text
    """The name of the service under test."""

    arms: ArmKeys
    """The two versions of the service that are compared."""

    split: SplitKeys = Field(default_factory=SplitKeys)
    """How requests are divided between the arms: the canary's share, or a mapping."""

    entry: Text | None = None
    """The service that load is sent to. Default: the service under test."""

    gateway: Text | None = None
    """The Istio Gateway through which load reaches the entry on this machine, as VirtualServices name it. On a cluster:
    cluster.gateway. Default: none, so load starts in the mesh."""

    target: Text = "local"
    """Where scenarios run unless an option says otherwise: local (this machine) or cluster."""

    namespace: Text = "default"
    """The Kubernetes namespace."""

    services: Annotated[dict[str, ServiceKeys], Field(min_length=1)]
    """Every service of the mesh, by name."""

    istio: IstioKeys = Field(default_factory=IstioKeys)
    """Files with Istio resources, as patterns such as istio/*.yaml; or a mapping that also names the Istio."""

    load: LoadKeys = Field(default_factory=LoadKeys)
    """The load that is sent unless a scenario says otherwise."""

    phases: PhaseKeys = Field(default_factory=PhaseKeys)
    """The lengths of the phases unless a scenario says otherwise."""

    objectives: Annotated[list[ObjectiveKeys], Field(min_length=1)] | None = Field(
        default=None, description=f"What is judged. Default: {', '.join(DEFAULT_OBJECTIVES)}."
    )

    judge: JudgeKeys = Field(default_factory=JudgeKeys)
    """How a run is judged."""

    prometheus: PrometheusKeys | None = None
    """A Prometheus server: its URL, or a mapping. Default: none."""

    gauges: dict[GaugeName, GaugeKeys] = Field(default_factory=dict)
    """Values that Prometheus has for each arm, by name, for objectives such as gauge:memory < +10%."""

    indicators: dict[GaugeName, IndicatorKeys] = Field(default_factory=dict)
    """Own indicators of the server side, by name, for objectives such as ratio:checkout_errors < +0.5pp."""

    guards: GuardKeys = Field(default_factory=GuardKeys)
    """What ends a run at once."""

    publish: PublishKeys = Field(default_factory=PublishKeys)
    """Who is told about a run when it is over."""

    out: Text = "reports"
    """The folder for recorded runs."""

    recorded_env: list[Text] = Field(default_factory=list)
    """Environment variables whose values may be recorded and shown. Of all others only the names are recorded."""

    cluster: ClusterKeys = Field(default_factory=ClusterKeys)
    """How a cluster is reached and what may be done to it. Used with --target cluster only."""

    release: ReleaseKeys | None = None
    """By which steps a new build reaches the users. Used by harness release only. Default: none."""

    stand_ins: dict[Text, StandInKeys] = Field(default_factory=dict)
    """What services answer that harness replay plays instead of running them, by the name of the service.

    Statuses, sizes and latencies are recorded; without a body here, answers are empty JSON of the recorded size.
    """

    serve: ServeKeys = Field(default_factory=ServeKeys)
    """What harness serve may start, and whom it tells. Only the names of variables are written here, never secrets."""
