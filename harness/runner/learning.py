"""Keep the calibration file of an environment up to date with each run, where the configuration allows it."""

from __future__ import annotations

import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import bundle
from harness.errors import JudgeInputError
from harness.judge.calibration import Calibration
from harness.judge.learned_noise import LearnedRun, known_on, noise_in_steady, updated
from harness.judge.sequential import block_seconds
from harness.model.record import Record


def learn_from(record: Record, file: Path) -> str:
    """Add the noise of a run to a calibration file, and return what went wrong, or an empty text.

    A run without a long enough steady phase adds nothing. The verdict of a run never depends on whether it can be
    learned from.
    """
    noise = noise_in_steady(
        record.samples, record.phases, record.plan.objectives, block_s=block_seconds(record.plan, record.phases)
    )
    day = str(record.manifest.get("started", ""))[:10]
    if not noise or not day:
        return ""
    run = LearnedRun(
        run=str(record.manifest.get("run", "")),
        day=day,
        machine=machine(),
        load=_load(record),
        rate_rps=record.plan.rate_rps,
        excess=noise,
    )
    try:
        with _alone(file.parent):
            text = file.read_text() if file.exists() else None
            environment = f"{record.plan.service} on {record.plan.target}"
            bundle.write_atomically(file, updated(text, run, file, environment=environment).encode())
    except (OSError, UnicodeDecodeError, JudgeInputError) as error:
        return f"the noise of this run was not learned: {error}"
    return ""


def machine() -> str:
    """Return what noise is learned for: the name and the number of processors of this machine."""
    return f"{platform.node()} ({os.cpu_count()} processors)"


def known_noise(file: Path) -> Calibration | None:
    """Return the calibration in a file as far as it is about this machine; None if no run has made the file yet.

    Raises JudgeInputError for any other file.
    """
    try:
        return known_on(machine(), file.read_text(), file) if file.exists() else None
    except (OSError, UnicodeDecodeError) as error:
        raise JudgeInputError(f"{file}: expected a calibration, found a file that cannot be read: {error}") from error


def _load(record: Record) -> float:
    loads = record.manifest.get("load_average")
    first = loads[0] if isinstance(loads, list) and loads else 0.0
    return float(first) if isinstance(first, (int, float)) else 0.0


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other runs from changing files of a folder at the same time."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
