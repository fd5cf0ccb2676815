"""The ``release`` section: by which steps a new build reaches the users, and what each step must pass."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field, model_validator

from harness.config.mistakes import mistake, wrong
from harness.config.section import Section
from harness.config.values import Duration, Percent, Text, Word, Words, one_of
from harness.model.release import OnDoubt, ReleaseSettings, ReleaseStep, Strategy
from harness.yaml_files import Document, Place

_DEFAULT = ReleaseSettings()
_WEIGHTS = ("10%", "50%", "100%")
_BAKE_S = 600.0
StrategyName: TypeAlias = Annotated[Strategy, one_of(*Strategy)]
OnDoubtName: TypeAlias = Annotated[OnDoubt, one_of(*OnDoubt)]


class StepKeys(Section):
    """One step: a share of the users, and what the new build must pass before it gets more. A percentage is enough."""

    weight: Percent
    """The share of the users that the new build gets in this step."""

    scenarios: list[Text] | None = None
    """Scenarios that must pass, as node ids or folders of pytest. Default: those of the section."""

    observe_s: Duration | None = None
    """How long the new build must stay healthy with the users of this step. Default: that of the section."""

    header: dict[Text, Word] | None = None
    """Users with these headers get the new build in this step, whatever its weight. Default: that of the section."""

    @model_validator(mode="before")
    @classmethod
    def _from_weight(cls, value: object) -> object:
        return value if value is None or isinstance(value, dict) else {"weight": value}


class PromoteKeys(Section):
    """A command of yours that brings the build to the stable Deployment, for example by a Git commit."""

    command: Words
    """The command. {service}, {image} and {digest} are replaced. It runs in the folder of harness.yaml."""

    within_s: Duration = _DEFAULT.promote_within_s
    """How long the stable Deployment may take afterwards to run the build that was tested."""


class ReleaseKeys(Section):
    """By which steps a new build reaches the users, and what each step must pass. Used by harness release only."""

    strategy: StrategyName = _DEFAULT.strategy
    """canary: users in growing shares. blue-green: tests without users, then all users at once."""

    steps: list[StepKeys] | None = Field(default=None, min_length=1)
    """The steps of a canary; shares must grow up to 100%. Default: 10%, 50%, 100%."""

    scenarios: list[Text] = Field(default_factory=list)
    """Scenarios that every step must pass, as node ids or folders of pytest."""

    observe_s: Duration = 0.0
    """How long the new build must stay healthy with the users of each step."""

    header: dict[Text, Word] = Field(default_factory=dict)
    """Users with these headers get the new build until all users do; with blue-green, the idle side."""

    bake_s: Duration = _BAKE_S
    """With blue-green, how long the old build stays ready for a rollback after the switch."""

    max_errors: Percent | None = None
    """The share of failed answers to users that fails a build while it is observed. Default: not checked."""

    on_marginal: OnDoubtName = _DEFAULT.on_marginal
    """hold: no users get the new build until a person approves or rejects it. reject: take it out at once."""

    on_inconclusive: OnDoubtName = _DEFAULT.on_inconclusive
    """The same for a verdict that is inconclusive, and for a gate without a verdict."""

    hold_s: Duration = _DEFAULT.hold_s
    """How long a hold waits for a person. After that the build is rejected."""

    promote: PromoteKeys | None = None
    """A command that promotes. Default: the harness updates the stable Deployment itself."""

    first: dict[Text, Text | None] = Field(default_factory=dict)
    """Services that may have no running build yet. On a cluster, each with the file of the Deployment to make."""

    build: Words | None = None
    """The command that builds a Git revision, run in its checkout, for harness release --revision."""


def release_settings(keys: ReleaseKeys | None, document: Document) -> ReleaseSettings | None:
    """Return the settings of the section, or None without one.

    Raises ConfigError for shares that do not grow up to 100 % and for a step that checks nothing.
    """
    if keys is None:
        return None
    return ReleaseSettings(
        strategy=keys.strategy,
        steps=_steps(keys, document),
        on_marginal=keys.on_marginal,
        on_inconclusive=keys.on_inconclusive,
        hold_s=keys.hold_s,
        promote_command=tuple(keys.promote.command) if keys.promote else (),
        promote_within_s=keys.promote.within_s if keys.promote else _DEFAULT.promote_within_s,
        build_command=tuple(keys.build or ()),
        first={name: file or "" for name, file in keys.first.items()},
    )


def _steps(keys: ReleaseKeys, document: Document) -> tuple[ReleaseStep, ...]:
    if keys.strategy is Strategy.BLUE_GREEN:
        return _blue_green(keys, document)
    given = keys.steps or [StepKeys.model_validate(share) for share in _WEIGHTS]
    steps = tuple(
        ReleaseStep(
            weight=step.weight,
            scenarios=tuple(keys.scenarios if step.scenarios is None else step.scenarios),
            observe_s=keys.observe_s if step.observe_s is None else step.observe_s,
            max_errors=keys.max_errors if step.weight or _header(step, keys) else None,  # else there are no users
            header=_header(step, keys),
        )
        for step in given
    )
    for index, step in enumerate(steps):
        place: Place = ("release", "steps", index) if keys.steps else ("release",)
        if index and _reach(step) <= _reach(steps[index - 1]):
            raise wrong(document, place, f"more than the {steps[index - 1].weight:.4g} before", f"{step.weight:.4g}")
        if not step.scenarios and not step.observe_s:
            raise mistake(document, place, _unchecked(f"the step of {step.weight:.0%}"))
    if steps[-1].weight != 1:
        raise wrong(document, ("release", "steps", len(steps) - 1), "100% in the last step", f"{steps[-1].weight:.4g}")
    return steps


def _header(step: StepKeys, keys: ReleaseKeys) -> dict[str, str]:
    """Return the headers of a step; none if all users get the build."""
    if step.weight == 1:
        return {}
    return dict(keys.header if step.header is None else step.header)


def _reach(step: ReleaseStep) -> tuple[float, bool]:
    """Return how many users a step reaches, for comparisons: users with a header come before any share."""
    return step.weight, bool(step.header) and not step.weight


def _blue_green(keys: ReleaseKeys, document: Document) -> tuple[ReleaseStep, ...]:
    if keys.steps:
        expected = "no steps with blue-green, which switches all users at once"
        raise mistake(document, ("release", "steps"), f"expected {expected}, found {len(keys.steps)}")
    if not keys.scenarios:
        raise mistake(document, ("release",), _unchecked("the idle side"))
    if keys.bake_s <= 0:
        raise mistake(document, ("release", "bake"), _unchecked("the time after the switch"))
    return (
        ReleaseStep(weight=0.0, scenarios=tuple(keys.scenarios), header=dict(keys.header)),
        ReleaseStep(weight=1.0, observe_s=keys.bake_s, max_errors=keys.max_errors),
    )


def _unchecked(what: str) -> str:
    return f"expected scenarios or a time to observe for {what}, found neither: nothing would be proven"
