"""Find what each arm runs: the images of its pods, or the command, commit and files of its process."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from harness.model.json import JsonObject, JsonValue, object_at, text_at, texts_at
from harness.model.masking import HIDDEN, command_shape
from harness.runner.arm_pods import ArmPods
from harness.runner.manifest import commit_of

_LARGEST_FILE = 512 * 1024 * 1024
_MOST_FILES = 8


def arm_builds(
    processes: Sequence[JsonObject], pods: ArmPods, arms: Mapping[str, Mapping[str, str]]
) -> dict[str, JsonValue]:
    """Return what is known of the build of each arm, by arm; arms of which nothing is known are left out.

    processes: of the mesh, with labels, command and folder. pods: behind each arm. arms: pod labels by arm. An arm in
    pods has ``image``. One in processes has ``command`` (without values that may be secret), ``files`` (the SHA-256 of
    the program and of the files that its command names) and, in a git checkout, ``commit`` and ``dirty``.
    """
    described = cache(commit_of)
    found: dict[str, JsonValue] = {}
    for arm, labels in arms.items():
        images = sorted({image for pod in pods.get(arm, ()) for image in pod.images})
        process = next((one for one in processes if _selects(labels, one)), None)
        if images:
            found[arm] = {"image": ", ".join(images)}
        elif process is not None and "spec" in process:
            spec = object_at(process, "spec")
            words = [str(word) for word in _list(spec.get("command"))]
            folder, program = Path(text_at(spec, "folder")), Path(text_at(spec, "program"))
            files = _files(words, program, folder)
            found[arm] = {"command": _shape(words, folder), "files": _hashes(files), **described(folder)}
    return found


def _selects(labels: Mapping[str, str], process: JsonObject) -> bool:
    return bool(labels) and labels.items() <= texts_at(process, "metadata", "labels").items()


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _shape(words: Sequence[str], folder: Path) -> str:
    """Return a command with the names of files and options; what may be a secret is hidden."""
    shape = command_shape(words)
    shown = [word if _is_file(folder / word) else str(safe) for word, safe in zip(words, shape, strict=True)]
    return " ".join([Path(shown[0]).name, *shown[1:]]) if shown else HIDDEN


def _files(words: Sequence[str], program: Path, folder: Path) -> dict[str, Path]:
    """Return the program and the files that its command names, by their names."""
    named = {word: folder / word for word in words[1:] if _is_file(folder / word)}
    return dict([(program.name, program), *named.items()][:_MOST_FILES])


def _hashes(files: Mapping[str, Path]) -> dict[str, JsonValue]:
    hashes: dict[str, JsonValue] = {}
    for name, path in files.items():
        try:
            if path.stat().st_size <= _LARGEST_FILE:
                with path.open("rb") as file:
                    hashes[name] = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:  # not ours to read, or replaced meanwhile: the others still tell the arms apart
            continue
    return hashes


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long for a path, or with a zero byte
        return False
