"""The canary's requests by the instance that answered, where the caller knows it: harm may sit in one of them.

All requests of the baseline are compared with those of one instance of the canary, and with those of all its others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.model.phase import Phase
from harness.model.samples import ARMS, CANARY, Samples
from harness.model.units import format_duration
from harness.stats.table import Table, reduce_samples
from harness.stats.window import Window, window_of

MOST = 100
"""With more instances, a search would have little evidence for each of them."""
_UNLIKE = 1.2  # a larger ratio between the medians of instances of one build is reported


@dataclass(frozen=True, slots=True, kw_only=True)
class Instances:
    """Which instance answered. names: all instances of the canary. number: each sample's place in it, -1 for none."""

    names: tuple[str, ...]
    number: NDArray[np.int16]


class InstanceWindows:
    """Builds the windows of one look, each instance's table once."""

    def __init__(
        self, samples: Samples, phases: tuple[Phase, ...], instances: Instances, *, block_s: float, until_s: float
    ) -> None:
        self._samples, self._phases, self._instances = samples, phases, instances
        self._block_s, self._until_s = block_s, until_s
        self._tables: dict[tuple[str, bool], Table] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """All instances of the canary."""
        return self._instances.names

    def part(self, phase: Phase, endpoint: str | None, name: str, *, others: bool) -> Window:
        """Return a phase's requests of the baseline, with those of an instance of the canary or of all its others."""
        span_s = phase.start_s, phase.end_s
        table = self._table(name, others=others)
        return window_of(table, phase.name, operation=endpoint, before_s=self._until_s, span_s=span_s)

    def _table(self, name: str, *, others: bool) -> Table:
        if (name, others) not in self._tables:
            mine = self._instances.number == self._instances.names.index(name)
            wanted = (self._samples.arm != CANARY) | (~mine if others else mine)
            samples = self._samples.where(wanted)
            self._tables[name, others] = reduce_samples(samples, self._phases, block_s=self._block_s)
        return self._tables[name, others]


def instance_warnings(arms: Sequence[Mapping[str, NDArray[Any]]]) -> tuple[str, ...]:
    """Return warnings about instances: one alone is confounded with its node, and different ones hide the build."""
    warnings = []
    for name, arm in zip(ARMS, arms, strict=True):
        if "instance" not in arm or not len(arm["time_s"]):
            continue
        instances = np.unique(arm["instance"])
        if len(instances) == 1:
            warnings.append(
                f"the {name} has one instance ({instances[0]}): a slow node cannot be told from a slow build; use two"
            )
            continue
        medians = {str(one): float(np.median(arm["latency_s"][arm["instance"] == one])) for one in instances}
        fast, slow = min(medians, key=medians.__getitem__), max(medians, key=medians.__getitem__)
        if medians[slow] > _UNLIKE * medians[fast]:
            warnings.append(
                f"the {name}'s instances differ: median {format_duration(medians[fast])} on {fast}, "
                f"{format_duration(medians[slow])} on {slow}; what differs between nodes is not the build"
            )
    return tuple(warnings)
