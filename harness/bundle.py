"""The bundle of a run: a folder that is written atomically and read by its format version.

    manifest.json      format version, environment, and size and SHA-256 of the recorded files; written last
    plan.json          the resolved scenario        config.json    the resolved configuration
    facts.json         phases, load report, fault counts, rollbacks, proxy counts, series
    timeline.ndjson    events, one on each line
    samples.parquet    requests, one in each row
    hops.ndjson        what each arm called in each phase (harness/model/hops.py), one a line; not in old bundles
    spans.ndjson       spans of traced requests (harness/model/spans.py), one a line; only if the mesh exports them
    bodies.ndjson      bodies of failed answers (harness/model/bodies.py), one a line; only if the profile asks for them
    dependency-bodies.ndjson   bodies of services for which harness.yaml sets record-bytes, one a line
    resources/*.yaml   Istio resources before, during and after
    analysis.json, report.html   derived from the files above; can be regenerated at any time
    hashes.json        size and SHA-256 of manifest.json, analysis.json and report.html
    logs/              the logs of Envoy, the services and the load generator

Each file is written under another name, synced and renamed. The manifest is written last: a folder without a manifest,
or with a file that differs from it or is not listed, is rejected and never read as a complete run. The hashes detect
edits. They are not a signature, so anyone who can rewrite all of them can forge a bundle.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TypeVar, cast

import yaml
from pydantic_core import to_json

from harness.clients.parquet import read_samples, write_samples
from harness.errors import RecordError, UsageError, located
from harness.model.arm_pod import ArmPod
from harness.model.bodies import Body, DependencyBody
from harness.model.hops import Hop
from harness.model.json import JsonObject, JsonValue
from harness.model.judge import JudgeSettings
from harness.model.load import LoadReport
from harness.model.masking import masked, scrubbed
from harness.model.phase import Phase
from harness.model.record import Event, FaultCount, Plan, Record, Rollback, Series
from harness.model.samples import Samples, no_samples
from harness.model.spans import Span
from harness.model.verdict import Analysis
from harness.printable import shown
from harness.recorded_json import content_of, load, parsed, valid, valid_object
from harness.userinfo import without_userinfo
from harness.yaml_files import read_documents

FORMAT_VERSION = 3
"""Format 2 added to the count of a fault what the fault declares. Format 3 added ``hashes.json``."""
READ_VERSIONS = (1, 2, FORMAT_VERSION)
_HASHED_SINCE = 3
MANIFEST, ANALYSIS, REPORT, HASHES = "manifest.json", "analysis.json", "report.html", "hashes.json"
SPANS, BODIES, THINNED = "spans.ndjson", "bodies.ndjson", "thinned.json"
DEPENDENCY_BODIES = "dependency-bodies.ndjson"
_REQUIRED = ("plan.json", "config.json", "facts.json", "timeline.ndjson", "samples.parquet")
"""The files that every format records and lists in the manifest."""
TIMELINE, HOPS = "timeline.ndjson", "hops.ndjson"
_LINES: Mapping[str, str] = {
    TIMELINE: "events", HOPS: "hops", SPANS: "spans", BODIES: "bodies", DEPENDENCY_BODIES: "dependency_bodies",
}  # fmt: skip
"""The files with one value on each line, and their fields of the record."""
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """The fields of the record in facts.json. Older versions did not record those with a default."""

    phases: tuple[Phase, ...]
    load: LoadReport | None
    fault_counts: tuple[FaultCount, ...]
    rollbacks: tuple[Rollback, ...]
    series: tuple[Series, ...]
    proxy_requests: dict[str, int]
    endpoint_requests: dict[str, dict[str, int]] = field(default_factory=dict)
    arm_pods: dict[str, tuple[ArmPod, ...]] = field(default_factory=dict)
    aborted: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDescription:
    """The entry of a file in the manifest."""

    size: int
    sha256: str


def write_bundle(record: Record, folder: Path) -> None:
    """Write ``record`` to ``folder``. Until this returns, the folder has no manifest and is not a bundle.

    Raises RecordError if the disk is full or the folder cannot be written.
    """
    with recording(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _keep_private(folder)
        stale = [folder / name for name in (MANIFEST, HASHES, ANALYSIS, REPORT, *_LINES)]
        for path in (*stale, *(folder / "resources").glob("*.yaml")):
            path.unlink(missing_ok=True)
        files = {
            "plan.json": json_bytes(_plan_document(record.plan)),
            "config.json": json_bytes(record.config),
            "facts.json": json_bytes({one.name: getattr(record, one.name) for one in fields(_Facts)}),
        }
        for name, of_record in _LINES.items():
            values = getattr(record, of_record)
            if values or name in _REQUIRED:
                files[name] = b"".join(map(_line, values))
        for stage, documents in record.resources.items():
            shown = [masked(document) for document in documents]
            files[f"resources/{stage}.yaml"] = yaml.safe_dump_all(shown, sort_keys=False).encode()
        for name, content in files.items():
            write_atomically(folder / name, content)
        write_samples(folder / "samples.parquet", _without_secrets(record.samples))
        listed = {name: described(folder / name) for name in (*files, "samples.parquet")}
        manifest = json_bytes({"format_version": FORMAT_VERSION, **record.manifest, "files": listed})
        write_atomically(folder / HASHES, json_bytes({"files": {MANIFEST: _description(manifest)}}))
        _keep_private(folder)
        write_atomically(folder / MANIFEST, manifest)


def _keep_private(folder: Path) -> None:
    """Let only this user read the folder and all that is in it, logs included."""
    folder.chmod(0o700)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o700 if path.is_dir() else 0o600)


def _without_secrets(samples: Samples) -> Samples:
    return replace(
        samples,
        operations=tuple(map(without_userinfo, samples.operations)),
        errors=tuple(map(without_userinfo, samples.errors)),
    )


@contextmanager
def recording(folder: Path) -> Iterator[None]:
    """Turn errors of the disk, such as a full one, into a RecordError that says what to do."""
    try:
        yield
    except OSError as error:
        raise RecordError(
            f"{folder}: the run cannot be recorded: {error.strerror or error}; "
            "free some space, or choose another folder with --harness-out (--out)"
        ) from error


def write_analysis(analysis: Analysis, folder: Path) -> None:
    """Write ``analysis.json`` to a bundle, and its hash to ``hashes.json``."""
    _write_derived(ANALYSIS, analysis_json(analysis), folder)


def write_report(page: str, folder: Path) -> None:
    """Write ``report.html`` to a bundle, and its hash to ``hashes.json``."""
    _write_derived(REPORT, page.encode(), folder)


def _write_derived(name: str, content: bytes, folder: Path) -> None:
    with recording(folder):
        write_atomically(folder / name, content)
        if _format_of(_manifest(folder)) >= _HASHED_SINCE:
            write_atomically(folder / HASHES, json_bytes({"files": {**_hashes(folder), name: _description(content)}}))


def analysis_json(analysis: Analysis) -> bytes:
    """Return the analysis as JSON. The same analysis gives the same bytes."""
    return json_bytes(analysis)


def read_analysis(folder: Path) -> Analysis:
    """Return the analysis that was recorded with the run. Raises RecordError if it was changed since."""
    _check_derived(folder, ANALYSIS)
    return valid(Analysis, load(folder / ANALYSIS), folder / ANALYSIS)


def check_report(folder: Path) -> None:
    """Raise RecordError if the report is missing or was changed since it was written."""
    _check_derived(folder, REPORT)


def not_promised(folder: Path) -> str:
    """Return what the format of a bundle leaves unchecked, as a sentence; an empty text for the current format."""
    version = _format_of(_manifest(folder))
    if version >= _HASHED_SINCE:
        return ""
    return (
        f"a bundle of format {version} does not list {ANALYSIS} and {REPORT}, so it cannot be told whether they were "
        f"changed; to compute the verdict from the record: harness judge {shlex.quote(str(folder))}"
    )


def _check_derived(folder: Path, name: str) -> None:
    if _format_of(_manifest(folder)) < _HASHED_SINCE:
        return
    listed = _hashes(folder).get(name)
    if listed is not None and (folder / name).is_file() and described(folder / name) == listed:
        return
    found = "a changed one" if listed is not None and (folder / name).is_file() else "none that was written completely"
    raise RecordError(
        f"{folder / name}: expected the file that was written after the run, found {found}; "
        f"to compute the verdict from the record: harness judge {shlex.quote(str(folder))}"
    )


def _hashes(folder: Path) -> dict[str, FileDescription]:
    return _listed(load(folder / HASHES), folder / HASHES)


def _listed(document: JsonValue, path: Path) -> dict[str, FileDescription]:
    files = document.get("files") if isinstance(document, dict) else None
    return valid(dict[str, FileDescription], files, path)


def read_bundle(folder: Path) -> Record:
    """Return the record in ``folder``. Raises RecordError if it is incomplete or changed, or has an unknown format."""
    manifest = _manifest(folder)
    files = _required(folder, manifest)
    _check_files(folder, files)
    stages = sorted(name for name in files if name.startswith("resources/"))

    def lines(name: str, kind: type[_Value]) -> tuple[_Value, ...]:
        return _read_lines(kind, folder / name) if name in files else ()

    return replace(
        _outline(folder, manifest),
        samples=read_samples(folder / "samples.parquet"),
        resources={Path(name).stem: _read_resources(folder / name) for name in stages},
        events=lines(TIMELINE, Event),
        hops=lines(HOPS, Hop),
        spans=lines(SPANS, Span),
        bodies=lines(BODIES, Body),
        dependency_bodies=lines(DEPENDENCY_BODIES, DependencyBody),
    )


def read_outline(folder: Path) -> Record:
    """Return the record without samples, events, resources, hops, spans and bodies; only what is read is checked.

    A bundle whose samples were removed has an outline too. Raises RecordError like ``read_bundle``.
    """
    manifest = _manifest(folder)
    files = _required(folder, manifest)
    _check_files(folder, {name: files[name] for name in ("plan.json", "config.json", "facts.json")})
    return _outline(folder, manifest)


def _outline(folder: Path, manifest: JsonObject) -> Record:
    facts = valid(_Facts, load(folder / "facts.json"), folder / "facts.json")
    return Record(
        plan=_read_plan(folder / "plan.json"),
        config=valid_object(load(folder / "config.json"), folder / "config.json"),
        samples=no_samples(),
        manifest={name: value for name, value in manifest.items() if name not in {"format_version", "files"}},
        **{one.name: getattr(facts, one.name) for one in fields(_Facts)},
    )


def _read_lines(kind: type[_Value], path: Path) -> tuple[_Value, ...]:
    """Return a file of JSON values, one on each line."""
    lines = [parsed(line, path) for line in content_of(path).splitlines()]
    values = tuple[kind, ...]  # type: ignore[valid-type] # mypy knows no type that only the caller names
    return valid(values, lines, path)


def _read_resources(path: Path) -> tuple[JsonObject, ...]:
    def error(message: str, *, file: Path, line: int | None) -> RecordError:
        return RecordError(located(message, file=file, line=line, path=None))

    documents: list[JsonValue] = [document.value for document in read_documents(path, error, recorded=True)]
    return cast("tuple[JsonObject, ...]", valid(tuple[dict[str, object], ...], documents, path))


def _required(folder: Path, manifest: JsonObject) -> dict[str, FileDescription]:
    """Return the files in the manifest. Raises RecordError unless it lists every file that is read."""
    files = _listed(manifest, folder / MANIFEST)
    resources = sorted(path.relative_to(folder).as_posix() for path in (folder / "resources").glob("*"))
    for name in (*_REQUIRED, *resources):
        if name not in files:
            raise RecordError(
                f"{folder / MANIFEST}: expected an entry for {name}, found none, so it cannot be the basis of a verdict"
            )
    return files


def _check_files(folder: Path, files: Mapping[str, FileDescription]) -> None:
    """Raise RecordError unless each of these files is as it was recorded."""
    for name, description in files.items():
        if not os.path.isfile(folder / name) or described(folder / name) != description:  # noqa: PTH113 - never raises
            why = (
                "removed to save space" if (folder / THINNED).is_file() else "missing or changed since it was recorded"
            )
            raise RecordError(f"{folder / name}: {why}, so it cannot be the basis of a verdict")


def _line(value: object) -> bytes:
    return to_json(scrubbed(json.loads(to_json(value, inf_nan_mode="strings")))) + b"\n"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it exists either completely or not at all. Only this user can read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(partial).replace(path)
    except BaseException:  # also on Ctrl-C: no half-written file stays
        Path(partial).unlink(missing_ok=True)
        raise


def _manifest(folder: Path) -> JsonObject:
    path = folder / MANIFEST
    if not path.is_file():
        if not folder.is_dir():
            raise UsageError(f"{folder}: expected the folder of a recorded run, or latest, found no such folder")
        found = "an unfinished run, which has no manifest.json"
        raise RecordError(f"{folder}: expected the folder of a recorded run, or latest, found {found}")
    manifest = valid_object(load(path), path)
    if manifest.get("format_version") not in READ_VERSIONS:
        version = manifest.get("format_version")
        raise RecordError(
            f"{path}: expected format version {' or '.join(map(str, READ_VERSIONS))}, found {shown(version)}; "
            "use the version of the harness that wrote it"
        )
    if _format_of(manifest) >= _HASHED_SINCE and _hashes(folder).get(MANIFEST) != described(path):
        raise RecordError(f"{path}: changed since it was recorded, so it cannot be the basis of a verdict")
    return manifest


def _format_of(manifest: JsonObject) -> int:
    return cast("int", manifest["format_version"])


def json_bytes(value: object) -> bytes:
    """Return a value as the JSON of a file in a bundle, with every URL in it without user and password."""
    plain = scrubbed(json.loads(to_json(value, inf_nan_mode="strings")))
    return json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _plan_document(plan: Plan) -> JsonObject:
    """Return the plan as it is stored, with the judge's settings next to the other fields of the plan."""
    document: JsonObject = json.loads(to_json(plan, inf_nan_mode="strings"))
    judge = cast("JsonObject", document.pop("judge"))
    return {**document, **{("judge" if name == "name" else name): value for name, value in judge.items()}}


def _read_plan(path: Path) -> Plan:
    document = load(path)
    if isinstance(document, dict):
        stored = {field.name: "judge" if field.name == "name" else field.name for field in fields(JudgeSettings)}
        judge = {name: document.pop(key) for name, key in stored.items() if key in document}
        document = {**document, "judge": judge}
    return valid(Plan, document, path)


def _description(content: bytes) -> FileDescription:
    return FileDescription(size=len(content), sha256=hashlib.sha256(content).hexdigest())


def described(path: Path) -> FileDescription:
    """Return the size and the hash of a file, as the manifest lists them."""
    with path.open("rb") as file:
        return FileDescription(size=path.stat().st_size, sha256=hashlib.file_digest(file, "sha256").hexdigest())
