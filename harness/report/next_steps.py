"""Suggest a reader's next steps, by verdict: where to look, and the command to run. They come from the record."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model import formatting
from harness.model.units import format_duration
from harness.model.verdict import Analysis, Verdict
from harness.report.advice import not_on_a_laptop, replay_command, waits
from harness.report.comparison import deciding
from harness.report.scene import Scene


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do. link: the id of the section that it is about. command: what to run; both may be empty."""

    text: str
    link: str = ""
    link_text: str = ""
    command: str = ""
    label: str = ""


def next_steps(scene: Scene) -> tuple[Step, ...]:
    """Return what to do next; nothing for a pass."""
    match scene.analysis.verdict:
        case Verdict.FAIL:
            return _after_fail(scene)
        case Verdict.INCONCLUSIVE:
            return (_settles(scene),)
        case Verdict.MARGINAL:
            return (_person(scene),)
        case _:
            return ()


def _after_fail(scene: Scene) -> tuple[Step, ...]:
    steps = [Step(text="Look at the requests that went wrong", link="requests", link_text="worst requests")]
    if scene.record.spans:
        steps.append(Step(text="See where the time of sampled requests went", link="traces", link_text="traces"))
    if any(one.lines for one in scene.logs):
        steps.append(Step(text="Read what the canary wrote at the worst moment", link="logs", link_text="logs"))
    if scene.record.resources:
        steps.append(Step(text="Compare the routes before and during the run", link="mesh", link_text="routes"))
    elsewhere = tuple(not_on_a_laptop(scene.record))
    if not elsewhere:
        steps += [_advice(*one) for one in waits(scene.record, scene.analysis).items()]
    steps += [Step(text=f"harness replay cannot replay this run: {why}") for why in elsewhere]
    replay = replay_command(scene.record, scene.run.bundle)
    if replay:
        text = "Replay the run on your machine, with your own build as the canary"
        steps.append(Step(text=text, command=replay, label="replay"))
    if scene.run.again:
        text = "Run the scenario again with the same seed, after a fix or to see whether it fails again"
        steps.append(Step(text=text, command=scene.run.again, label="run again"))
    return tuple(steps)


def _advice(host: str, wait_s: float | None) -> Step:
    """Return what was in force when the calls to a host were hit, and how to test another setting."""
    if wait_s is None:
        text = f"No route to {host} sets a timeout: harness replay with --try all tests whether one would have passed"
        return Step(text=text)
    text = f"The routes to {host} set a timeout of {format_duration(wait_s)}: harness replay with --try all "
    return Step(text=text + "tests whether a shorter one, retries, ejection or connection limits would have passed")


def _settles(scene: Scene) -> Step:
    """Return the one change that settles an inconclusive run."""
    analysis = scene.analysis
    failed = next((proof for proof in analysis.proofs if not proof.held), None)
    if failed is not None:
        said = failed.remedy or f"expected {failed.expected}, observed {failed.observed}"
        return Step(text=f"First make this proof hold, {failed.name}: {said}", link="proofs", link_text="proofs")
    if scene.run.ended:
        return Step(text=f"The run ended early ({scene.run.ended}): let it run to its end")
    missing = _missing(analysis)
    if missing:
        return Step(text=f"One change settles it: {missing}", link="slis", link_text="objectives")
    return Step(text="Read the reason above: no single objective is what is missing")


def _missing(analysis: Analysis) -> str:
    finding = deciding(analysis)
    ordered = [*([] if finding is None else [finding]), *formatting.worst_first(analysis.findings)]
    return next((one.missing for one in ordered if one.missing and not one.objective.muted), "")


def _person(scene: Scene) -> Step:
    approve = scene.record.manifest.get("approve")
    if isinstance(approve, str) and approve:
        return Step(
            text="A person decides: approve the build, or let the hold run out", command=approve, label="approve"
        )
    return Step(
        text="The canary is worse, but not shown to be beyond the tolerance: a person decides (exit code 10). "
        "A longer run with more requests narrows the intervals",
        link="intervals", link_text="intervals",
    )  # fmt: skip
