"""Compare a bundle's files with its lists of sizes and hashes, and update the entry of a file that was rewritten."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from harness import bundle
from harness.errors import RecordError
from harness.model.json import JsonObject, JsonValue, object_at
from harness.recorded_json import load, valid_object


def listed_files(folder: Path) -> set[str]:
    """Return the names of the recorded files. Raises RecordError for a manifest that cannot be read."""
    return set(object_at(_document(folder / bundle.MANIFEST), "files"))


def require_as_listed(folder: Path, *, besides: str) -> None:
    """Raise RecordError unless each listed file is as it was recorded, and each file is listed.

    besides: a file that is not compared.
    """
    listed = object_at(_document(folder / bundle.MANIFEST), "files")
    if (folder / bundle.HASHES).is_file():
        listed = {**listed, **object_at(_document(folder / bundle.HASHES), "files")}
    listed = {name: entry for name, entry in listed.items() if name not in (besides, bundle.REPORT)}
    for name, entry in listed.items():
        if not (folder / name).is_file() or _entry(folder / name) != entry:
            raise RecordError(f"{name}: missing, or changed since it was recorded, so it is not unpacked")


def list_again(folder: Path, name: str) -> None:
    """Put the size and hash of a recorded file into the manifest, and those of the manifest into the hashes."""
    manifest = _document(folder / bundle.MANIFEST)
    files = {**object_at(manifest, "files"), name: _entry(folder / name)}
    _write(folder / bundle.MANIFEST, {**manifest, "files": files})
    if (folder / bundle.HASHES).is_file():
        hashes = {**object_at(_document(folder / bundle.HASHES), "files")}
        hashes.pop(bundle.REPORT, None)
        hashes[bundle.MANIFEST] = _entry(folder / bundle.MANIFEST)
        _write(folder / bundle.HASHES, {"files": hashes})


def _entry(path: Path) -> JsonValue:
    return asdict(bundle.described(path))


def _document(path: Path) -> JsonObject:
    return valid_object(load(path), path)


def _write(path: Path, document: JsonObject) -> None:
    bundle.write_atomically(path, bundle.json_bytes(document))
