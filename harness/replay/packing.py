"""Pack a bundle into one file to attach to an issue, and unpack it again.

The file is a tar archive, compressed with zstd: ``pack.json`` says what is in it, then come the files of the record and
its analysis. Samples are stored as columns (``harness.replay.sample_columns``). Logs and the report are left out, since
services may have written secrets to them; the report is made again when the file is unpacked.

A packed file comes from somebody else, so nothing in it is believed: names, kinds, number and sizes of its members are
limited before anything is written, only regular files with the names of a bundle are accepted, and the folder appears
when every hash is right.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness import bundle
from harness.clients.parquet import write_samples
from harness.clients.zstd import Sink, Source, compressed, decompressed
from harness.errors import RecordError, UsageError
from harness.model.json import JsonObject
from harness.recorded_json import load, valid_object
from harness.replay.listing import list_again, listed_files, require_as_listed
from harness.replay.sample_columns import BYTES_EACH, latency_units_per_s, pack_columns, unpack_columns
from harness.scratch import scratch
from harness.userinfo import without_userinfo

SUFFIX = ".tar.zst"
_FORMAT, _INDEX, _COLUMNS, _SAMPLES = 1, "pack.json", "samples.columns", "samples.parquet"
_BLOCK, _CHUNK = 512, 1 << 20
_NAME = re.compile(r"(?:[A-Za-z0-9_][\w.-]{0,99}/)?[A-Za-z0-9_][\w.-]{0,99}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a packed file may contain.

    members: files. total_bytes: of all files. member_bytes: of one file that is read as a whole. ratio: how many times
    larger the content may be than the file, once it is larger than ``always_bytes``.
    """

    members: int = 500
    total_bytes: int = 4 << 30
    member_bytes: int = 3 << 30
    ratio: int = 200
    always_bytes: int = 64 << 20


def is_packed(path: Path) -> bool:
    """Return whether a path names a file and not the folder of a bundle."""
    return path.is_file() and path.name.endswith(SUFFIX)


def pack(folder: Path, file: Path) -> int:
    """Write the bundle in ``folder`` to a new file and return its size in bytes.

    Raises RecordError for a bundle that is incomplete, was changed or holds a password in a URL, and UsageError if the
    file exists.
    """
    if file.exists():
        raise UsageError(f"{file}: expected the name of a new file, found a file")
    record = bundle.read_bundle(folder)
    bundle.read_analysis(folder)
    names = sorted(listed_files(folder) - {_SAMPLES})
    names += [name for name in (bundle.MANIFEST, bundle.HASHES, bundle.ANALYSIS) if (folder / name).is_file()]
    for name in names:
        _require_clean(folder / name)
    units = latency_units_per_s(record.samples)
    columns = pack_columns(record.samples, latency_units=units)
    index = bundle.json_bytes(
        {
            "pack_version": _FORMAT,
            "latency_units_per_s": units,
            "operations": list(record.samples.operations),
            "errors": list(record.samples.errors),
            "columns_sha256": hashlib.sha256(columns).hexdigest(),
        }
    )
    with bundle.recording(file.parent):
        part = file.with_name(f".{file.name}.part")
        try:
            with compressed(part) as sink:
                _add(sink, _INDEX, index)
                for name in names:
                    _add(sink, name, (folder / name).read_bytes())
                _add(sink, _COLUMNS, columns)
                sink.write(b"\0" * 2 * _BLOCK)
            part.chmod(0o600)
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)
        return file.stat().st_size


def unpack(file: Path, folder: Path, *, limits: Limits | None = None) -> None:
    """Write the bundle in ``file`` to a new folder, which appears when everything in it has been verified.

    Raises UsageError for a folder that exists, and RecordError for a file that is damaged, was changed, or holds what
    no bundle holds.
    """
    if not file.is_file():
        raise UsageError(f"{file}: expected a file that harness bundle pack wrote, found none")
    if folder.exists():
        raise UsageError(f"{folder}: expected the name of a new folder, found an existing one")
    with bundle.recording(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with scratch(f".{folder.name}.unpacked-", folder.parent) as partial:
            _write_members(file, partial, limits or Limits())
            _restore_samples(file, partial)
            bundle.read_bundle(partial)
            bundle.read_analysis(partial)
            partial.rename(folder)


def _require_clean(path: Path) -> None:
    text = path.read_text(encoding="utf-8", errors="replace")
    if without_userinfo(text) != text:
        raise RecordError(f"{path}: expected URLs without user and password, found one with them: it is not packed")


def _add(sink: Sink, name: str, content: bytes) -> None:
    header = tarfile.TarInfo(name)
    header.size, header.mode = len(content), 0o600
    sink.write(header.tobuf(tarfile.USTAR_FORMAT))
    for start in range(0, len(content), _CHUNK):
        sink.write(content[start : start + _CHUNK])
    sink.write(b"\0" * (-len(content) % _BLOCK))


def _write_members(file: Path, folder: Path, limits: Limits) -> None:
    most = min(limits.total_bytes, max(limits.always_bytes, limits.ratio * file.stat().st_size))
    seen: set[str] = set()
    with decompressed(file) as source:
        for member in _members(source, file):
            most -= member.size
            if len(seen) >= limits.members or most < 0 or member.size > limits.member_bytes:
                raise RecordError(f"{file}: {member.name}: expected a bundle of a usual size, found more: not unpacked")
            if member.name in seen:
                raise RecordError(f"{file}: {member.name}: expected each file once, found it twice")
            seen.add(member.name)
            path = folder / member.name
            path.parent.mkdir(mode=0o700, exist_ok=True)
            with path.open("xb") as target:
                path.chmod(0o600)
                for chunk in _chunks(source, member.size, file):
                    target.write(chunk)
            _exactly(source, -member.size % _BLOCK, file)


def _members(source: Source, file: Path) -> Iterator[tarfile.TarInfo]:
    """Yield the header of each member; its content must be read before the next one."""
    while True:
        block = _exactly(source, _BLOCK, file)
        if not any(block):
            return
        try:
            member = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        except (tarfile.TarError, UnicodeDecodeError) as error:
            raise RecordError(f"{file}: expected the header of a file, found something else: {error}") from error
        if member.type != tarfile.REGTYPE or _NAME.fullmatch(member.name) is None or member.size < 0:
            raise RecordError(f"{file}: expected regular files of a bundle only, found {member.name!r:.120}")
        yield member


def _exactly(source: Source, size: int, file: Path) -> bytes:
    return b"".join(_chunks(source, size, file))


def _chunks(source: Source, size: int, file: Path) -> Iterator[bytes]:
    left = size
    while left:
        chunk = source.read(min(left, _CHUNK))
        if not chunk:
            raise RecordError(f"{file}: expected {left} more bytes, found the end of the file: it is not complete")
        left -= len(chunk)
        yield chunk


def _restore_samples(file: Path, folder: Path) -> None:
    """Write the samples as Parquet and list their file again, because it holds rounded times."""
    index, columns = folder / _INDEX, folder / _COLUMNS
    for path in (index, columns, folder / bundle.MANIFEST, folder / bundle.ANALYSIS):
        if not path.is_file():
            raise RecordError(f"{file}: expected {path.name} in it, found none")
    require_as_listed(folder, besides=_SAMPLES)
    known = _index(index, file)
    content = columns.read_bytes()
    if len(content) % BYTES_EACH or hashlib.sha256(content).hexdigest() != known["columns_sha256"]:
        raise RecordError(f"{file}: the samples differ from those that were packed")
    samples = unpack_columns(
        content,
        latency_units=_units(known["latency_units_per_s"], file),
        operations=_texts(known["operations"], file),
        errors=_texts(known["errors"], file),
    )
    write_samples(folder / _SAMPLES, samples)
    index.unlink()
    columns.unlink()
    list_again(folder, _SAMPLES)


def _index(path: Path, file: Path) -> JsonObject:
    known = valid_object(load(path), path)
    if known.get("pack_version") != _FORMAT:
        version = f"{known.get('pack_version')!r:.40}"
        raise RecordError(
            f"{file}: expected pack version {_FORMAT}, found {version}; use the version of the harness that packed it"
        )
    needed = ("latency_units_per_s", "operations", "errors", "columns_sha256")
    for name in needed:
        if name not in known:
            raise RecordError(f"{file}: {_INDEX}: expected {', '.join(needed)}, found no {name}")
    return known


def _units(value: object, file: Path) -> int:
    if type(value) is not int or not 1 <= value <= 10**9:
        raise RecordError(f"{file}: {_INDEX}: expected units of a second from 1 to 10^9, found {value!r:.40}")
    return value


def _texts(value: object, file: Path) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise RecordError(f"{file}: {_INDEX}: expected a list of names, found {value!r:.40}")
    return tuple(value)
