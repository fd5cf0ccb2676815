"""A release on this machine replaces resources that others change too: it waits for undos, and reads again."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from harness.errors import MeshBusy, MeshError, MeshStale
from harness.mesh.stage.messages import error_message, error_of, line_of
from harness.mesh.stage.server import StageServer

BEFORE, FAULTED, AFTER = ({"kind": kind} for kind in ("Before", "Faulted", "After"))


class ChangedMesh:
    """A mesh with a change that is undone after some looks at it."""

    def __init__(self, undone_after: int) -> None:
        self.left, self.served = undone_after, None

    @property
    def changes_live(self) -> bool:
        """Whether the change is still there."""
        return self.left > 0

    def resources(self, kind: str = "") -> tuple[Any, ...]:
        """Differ while the change is live."""
        self.left -= 1
        return (FAULTED if self.left > 0 else BEFORE,)

    def replace(self, resources: Any) -> None:
        """Serve them."""
        self.served = resources


def answer(mesh: Any, **message: Any) -> Any:
    """What the stage answers to a client."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        thread = threading.Thread(target=StageServer(mesh, fleet=None).serve, args=(theirs,))
        thread.start()
        line = line_of(ours)
        line.send({"do": "replace", **message})
        found = line.receive()
        ours.shutdown(socket.SHUT_RDWR)
        thread.join()
    return found


def test_a_replacement_waits_until_a_live_change_is_undone() -> None:
    """The change of a client that died explains the difference, and goes away by itself."""
    mesh = ChangedMesh(undone_after=3)
    assert {} == answer(mesh, before=[BEFORE], after=[AFTER])
    assert [AFTER] == mesh.served


def test_resources_that_somebody_changed_must_be_read_again() -> None:
    """The client learns this from the kind of the error."""
    mesh = ChangedMesh(undone_after=0)
    error = error_of(answer(mesh, before=[FAULTED], after=[AFTER]))
    assert isinstance(error, MeshStale)
    assert mesh.served is None


@pytest.mark.parametrize(("error", "kind"), [(MeshStale("others"), MeshStale), (MeshBusy("a fault"), MeshError)])
def test_errors_keep_their_kind_on_the_way_to_the_client(error: MeshError, kind: type[MeshError]) -> None:
    """Only a replacement that must read again needs a kind of its own; the text is for people."""
    told = error_of(error_message(error))
    assert (kind, str(error)) == (type(told), str(told))
