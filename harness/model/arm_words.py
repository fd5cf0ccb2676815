"""Describe in words what an arm runs, from the manifest and the configuration of a run."""

from __future__ import annotations

from collections.abc import Mapping

from harness.model.json import JsonValue

_SHOWN_OF_HASH = 12


def arm_words(arm: str, *, service: str, config: Mapping[str, JsonValue], manifest: Mapping[str, JsonValue]) -> str:
    """Return the version of an arm with its image, or its commit and the files that differ from the other arm's.

    Labels that say more than the version follow. Older manifests say nothing of arms; then only the version is known.
    """
    name = str(config.get(arm) or "")
    arms = manifest.get("arms")
    told = {key: _mapping(value) for key, value in _mapping(arms).items()}
    own = told.get(arm, {})
    others = [_mapping(value.get("files")) for key, value in told.items() if key != arm]
    return " · ".join([*([name] if name else []), *_build(own, others), *_labels(config, service, name)])


def _build(own: Mapping[str, JsonValue], others: list[Mapping[str, JsonValue]]) -> list[str]:
    words = [f"image {own['image']}"] if own.get("image") else []
    if commit := str(own.get("commit") or "")[:_SHOWN_OF_HASH]:
        words.append(f"commit {commit}" + (" + uncommitted changes" if own.get("dirty") else ""))
    for file, digest in _mapping(own.get("files")).items():
        if all(other.get(file) != digest for other in others):
            words.append(f"{file} sha256 {str(digest)[:_SHOWN_OF_HASH]}")
    return words


def _labels(config: Mapping[str, JsonValue], service: str, version: str) -> list[str]:
    place: JsonValue = config.get("services")
    for key in (service, "versions", version, "labels"):
        place = _mapping(place).get(key)
    return [f"{key} {value}" for key, value in _mapping(place).items() if key not in {"app", "version"}]


def _mapping(value: JsonValue) -> Mapping[str, JsonValue]:
    return value if isinstance(value, dict) else {}
