"""Read from a bundle what its run was asked to do: faults, load, phases, and how requests were routed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path

from harness import bundle
from harness.errors import CannotReplay, RecordError, UsageError
from harness.faults import Fault, known_faults
from harness.faults.recorded import fault_of_document
from harness.model.declared import Declared
from harness.model.json import JsonObject, JsonValue
from harness.model.load import Arrivals
from harness.model.phase import PhaseKind, PhaseLength, PhasePlan, parse_length
from harness.model.record import Record
from harness.model.verdict import Analysis

_KINDS = tuple(kind.value for kind in PhaseKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A recorded run that can be repeated.

    stages, recover_each: as in ``Scenario``. lengths_s: of each kind of phase; 0 for one that the run did not have.
    notes: what the record does not tell.
    """

    folder: Path
    record: Record
    analysis: Analysis
    faults: tuple[Fault, ...]
    load: str
    arrivals: Arrivals
    entry: str
    baseline: str
    canary: str
    lengths_s: Mapping[str, float]
    stages: tuple[tuple[Fault, ...], ...] = ()
    recover_each: bool = False
    notes: tuple[str, ...] = ()


def read_asked(folder: Path) -> Asked:
    """Read a bundle.

    Raises RecordError for one that cannot be read, CannotReplay for one without what a replay needs.
    """
    record, analysis = bundle.read_bundle(folder), bundle.read_analysis(folder)
    if not len(record.samples):
        raise CannotReplay(f"{folder}: expected samples in the bundle, found none: the run sent no load to repeat")
    if not record.resources.get("before"):
        raise CannotReplay(
            f"{folder}: expected the resources before the run (resources/before.yaml), found none: nothing says how "
            "requests were routed"
        )
    notes: list[str] = []
    _require_one_stage(record, folder)
    known = record.manifest.get("scenario")
    scenario: Mapping[str, JsonValue] = known if isinstance(known, dict) else _of_older(record, notes)
    if record.manifest.get("shared"):
        notes.append("the run shared its steady phase with other faults, which came before or after; here it is alone")
    if record.plan.judge.noise:
        notes.append("the run was judged with the noise of its own environment, which says nothing about this machine")
    faults = _faults(scenario.get("faults"), folder)
    return Asked(
        folder=folder,
        record=record,
        analysis=analysis,
        faults=faults,
        stages=_stages(scenario.get("stages"), faults, folder),
        recover_each=scenario.get("recover_each") is True,
        load=_text(scenario, "load"),
        arrivals=_arrivals(scenario),
        entry=_text(scenario, "entry"),
        baseline=_text(record.config, "baseline"),
        canary=_text(record.config, "canary"),
        lengths_s=_asked_lengths_s(scenario, folder) or _lengths_s(record.plan.phases, folder),
        notes=tuple(notes),
    )


def _require_one_stage(record: Record, folder: Path) -> None:
    names = [phase.name for phase in record.plan.phases if phase.kind is PhaseKind.FAULT]
    if len(names) > 1:
        raise CannotReplay(
            f"{folder}: expected one fault phase, found {', '.join(names)}: a run of stages has to be run itself"
        )


def _text(recorded: Mapping[str, JsonValue], name: str) -> str:
    value = recorded.get(name)
    if not isinstance(value, str):
        raise CannotReplay(f"expected the {name} of the run in the bundle, found none")
    return value


def _arrivals(scenario: Mapping[str, JsonValue]) -> Arrivals:
    name = _text(scenario, "arrivals")
    if name not in list(Arrivals):
        raise CannotReplay(f"expected the arrivals of the run to be {' or '.join(Arrivals)}, found {name!r:.40}")
    return Arrivals(name)


def _lengths_s(phases: Sequence[PhasePlan], folder: Path) -> dict[str, float]:
    names = [phase.name for phase in phases]
    if len(set(names)) != len(names) or not set(names) <= set(_KINDS):
        raise CannotReplay(
            f"{folder}: expected the phases of a declared scenario ({', '.join(_KINDS)}), found {', '.join(names)}: "
            "a test that sends its loads itself has to be run itself"
        )
    lengths = dict.fromkeys(_KINDS, 0.0)
    for phase in phases:
        most_s = phase.duration_s
        lengths[phase.name] = most_s if phase.least_s is None else PhaseLength(most_s, least_s=phase.least_s)
    return lengths


def _asked_lengths_s(scenario: Mapping[str, JsonValue], folder: Path) -> dict[str, float]:
    """Return the lengths that were asked for: a run that ended early carried out less. Empty in older records."""
    asked = scenario.get("phases")
    if not isinstance(asked, dict):
        return {}
    try:
        return {name: parse_length(str(asked[name])) for name in _KINDS}
    except (KeyError, UsageError) as error:
        raise CannotReplay(f"{folder}: expected the lengths of {', '.join(_KINDS)}, found {asked!r:.120}") from error


def _faults(documents: JsonValue, folder: Path) -> tuple[Fault, ...]:
    try:
        return tuple(
            fault_of_document(document)
            for document in (documents if isinstance(documents, list) else ())
            if isinstance(document, dict)
        )
    except RecordError as error:
        raise CannotReplay(f"{folder}: a fault of the run cannot be injected again: {error}") from error


def _stages(sizes: JsonValue, faults: tuple[Fault, ...], folder: Path) -> tuple[tuple[Fault, ...], ...]:
    """Return the faults of each stage. sizes: how many each has, one after the other; none in a run without stages."""
    if not sizes:
        return ()
    counts = [one for one in sizes if isinstance(one, int)] if isinstance(sizes, list) else []
    if sum(counts) != len(faults) or min(counts) < 0:
        raise CannotReplay(f"{folder}: expected stages with {len(faults)} faults, found {sizes!r:.80}")
    left = iter(faults)
    return tuple(tuple(next(left) for _ in range(count)) for count in counts)


def _of_older(record: Record, notes: list[str]) -> JsonObject:
    """Return what a record of an older version tells: faults by what they declared, the rest by its configuration."""
    notes.append("the record does not say which load profile was sent; that of its harness.yaml is")
    load = record.config.get("load")
    settings: JsonObject = load if isinstance(load, dict) else {}
    declared = {one.declared.id: one.declared for one in record.fault_counts if one.declared is not None}
    planned = {text for phase in record.plan.phases for text in phase.faults}
    if len(declared) < len(planned):
        raise CannotReplay(f"expected the values of {', '.join(sorted(planned))} in the record, found only their names")
    return {
        "load": settings.get("profile"),
        "arrivals": settings.get("arrivals"),
        "entry": record.config.get("entry"),
        "faults": [_document(one) for one in declared.values()],
    }


def _document(declared: Declared) -> JsonObject:
    kind = known_faults().get(declared.kind)
    names: set[str] = {one.name for one in fields(kind)} if kind is not None and is_dataclass(kind) else set()
    scope = declared.scope
    values: JsonObject = {"host": declared.host, "dose": declared.dose, "caller": scope.caller, **declared.params}
    values["inbound"] = scope.side == "host"
    return {"kind": declared.kind, **{name: value for name, value in values.items() if name in names}}
