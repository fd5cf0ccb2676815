"""The base of faults of a pod's resources: containers get a smaller limit while they run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from harness.errors import UsageError
from harness.faults.condition import SharedCondition
from harness.faults.pods import runs
from harness.faults.port import Words, World
from harness.faults.targets import ref, targets
from harness.faults.values import only
from harness.model.declared import Scalar
from harness.model.json import JsonObject, objects_at, text_at
from harness.model.quantities import parse_quantity
from harness.model.step import Act, Action, Step, Verb
from harness.routing.port import Aim

_SIDECAR = "istio-proxy"
"""Its limits stay, because a slow sidecar would falsify what the harness measures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodLimit(SharedCondition):
    """Each container in the pods of ``host``, apart from the sidecar, has at most ``limit`` of a resource.

    resource: as pods name it. arms: ``canary`` for the pods of the
    canary only, where ``host`` is the service under test.
    """

    resource: ClassVar[str]

    limit: str

    @property
    def params(self) -> Mapping[str, Scalar]:
        """The limit."""
        return {"limit": self.limit}

    def steps(self, world: World, aim: Aim) -> tuple[Step, ...]:
        """Return an action for each container, whose undo restores the limit of exactly this pod."""
        pods = [pod for pod in targets(world, aim, "Pod") if runs(pod)]
        if not pods:
            raise UsageError(f"{aim.declared.text}: expected pods of {self.host} that run, found none")
        return tuple(action for pod in pods for action in self._of_pod(pod, aim))

    def _of_pod(self, pod: JsonObject, aim: Aim) -> Iterator[Action]:
        """Yield the actions for the containers of a pod.

        A limit that was not there could not be removed again: Kubernetes only lets it be changed.
        """
        name, wanted = text_at(pod, "metadata", "name"), parse_quantity(self.limit, aim.declared.text)
        found = False
        for container in objects_at(pod, "spec", "containers"):
            own = text_at(container, "name")
            if own == _SIDECAR:
                continue
            now = text_at(container, "resources", "limits", self.resource, default="")
            if not now:
                raise UsageError(
                    f"{aim.declared.text}: expected a {self.resource} limit of each container, found none of {own} in "
                    f"pod {name}: one that is added to a running pod cannot be removed; set one in its Deployment"
                )
            if parse_quantity(now, f"pod {name}") > wanted:
                found = True
                yield self._action(pod, container, now, aim)
        if not found:
            raise UsageError(
                f"{aim.declared.text}: expected a limit below those of pod {name}, found none of its containers with "
                f"more than {self.limit} of {self.resource}"
            )

    def _action(self, pod: JsonObject, container: JsonObject, now: str, aim: Aim) -> Action:
        """Return the action for one container. A request must not exceed the limit, so a larger one is lowered too."""
        requested = text_at(container, "resources", "requests", self.resource, default="")
        what = aim.declared.text
        above = bool(requested) and parse_quantity(requested, what) > parse_quantity(self.limit, what)
        both: Mapping[str, Scalar] = {"container": text_at(container, "name"), "resource": self.resource}
        request = self.limit if above else requested
        act = Act(
            verb=Verb.RESIZE,
            target=ref(pod, "Pod", aim),
            args={**both, "from": now, "limit": self.limit, "request": request},
        )
        undo = replace(act, args={**both, "from": self.limit, "limit": now, "request": requested})
        return Action(owner=aim.owner, declared=aim.declared, act=act, undo=undo)

    @property
    def seen(self) -> str:
        """The mesh saw the limit in every container."""
        return f"the containers of {self.host} had {self.limit} of {self.resource}"

    def words(self) -> Words:
        """``cpu_limit(ratings, 50m)``."""
        return Words(
            text=f"{self.kind}({self.host}, {self.limit}{only(self.arms)})",
            effect=f"each container of {self.host} has at most {self.limit} of {self.resource}",
        )


def limit_of(text: str, what: str, *, least: str) -> str:
    """Return a limit as it is written to pods. Raises UsageError for no quantity, and for one below ``least``."""
    if parse_quantity(text, what) < parse_quantity(least, what):
        raise UsageError(f"{what}: expected a limit of at least {least}, found {text!r}")
    return text.strip()
