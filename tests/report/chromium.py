"""A real Chromium, driven over its DevTools protocol: open a file, ask the page, hear its console and its requests."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import websocket

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--remote-debugging-port=0",
)  # fmt: skip
_PATIENCE_S = 60.0


class Page:
    """A tab. ``console`` collects errors and warnings, ``requests`` every address that was asked for."""

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(address, timeout=_PATIENCE_S, suppress_origin=True)
        self._number = 0
        self.console: list[str] = []
        self.requests: list[str] = []
        self._loaded = False
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; events that come first are kept."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == self._number:
                assert "error" not in message, message["error"]
                return message["result"]
            self._heard(message)

    def open(
        self, file: Path | str, *, width: int = 1280, height: int = 900, dark: bool = False, media: str = ""
    ) -> Page:
        """Load a file or an address in a window of this size and wait until it is done."""
        self.console.clear()
        self.requests.clear()
        self._loaded = False
        self.look(width=width, height=height, dark=dark, media=media)
        self.call("Page.navigate", url=file if isinstance(file, str) else file.resolve().as_uri())
        while not self._loaded:
            self._heard(json.loads(self._socket.recv()))
        return self

    def look(self, *, width: int = 1280, height: int = 900, dark: bool = False, media: str = "") -> None:
        """Show the page that is open in a window of this size, in this colour scheme."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def opens_within(self, limit_ms: float, *, tries: int = 20) -> bool:
        """Whether the page opens in this time. A busy machine may delay some attempts, so the quickest one counts."""
        for _ in range(tries):
            if self.ask("performance.getEntriesByType('navigation')[0].domComplete") < limit_ms:
                return True
            self._loaded = False
            self.call("Page.reload")
            while not self._loaded:
                self._heard(json.loads(self._socket.recv()))
        return False

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression; an exception in it fails the test."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def screenshot(self, file: Path, *, whole: bool = True) -> None:
        """A picture of the whole page, or of what the window shows."""
        picture = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(picture["data"]))

    def _heard(self, message: dict[str, Any]) -> None:
        method, told = message.get("method"), message.get("params", {})
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.console.append(told["exceptionDetails"]["text"])
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.console.append(str(told["args"]))
        elif method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.console.append(told["entry"]["text"])


@contextmanager
def browser(program: str, folder: Path) -> Iterator[Page]:
    """The Chromium at ``program`` with a fresh profile in ``folder``; it ends with the block."""
    profile = folder / "profile"
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen(
            [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"], stdout=log, stderr=log
        )
    try:
        page = Page(_address(profile / "DevToolsActivePort", process, folder / "chromium.log"))
        try:
            yield page
            page.call("Browser.close")
        finally:
            page.close()
    finally:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _address(port_file: Path, process: subprocess.Popen[bytes], log: Path) -> str:
    """The DevTools address of the only tab."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        lines = port_file.read_text().splitlines() if port_file.exists() else []
        if len(lines) == 2:
            break
        time.sleep(0.05)
    else:
        raise AssertionError(f"chromium did not start:\n{log.read_text()[-2000:]}")
    connection = websocket.create_connection(
        f"ws://127.0.0.1:{lines[0]}{lines[1]}", timeout=_PATIENCE_S, suppress_origin=True
    )
    try:
        connection.send(json.dumps({"id": 1, "method": "Target.getTargets"}))
        while (message := json.loads(connection.recv())).get("id") != 1:
            pass
    finally:
        connection.close()
    tab = next(target for target in message["result"]["targetInfos"] if target["type"] == "page")
    return f"ws://127.0.0.1:{lines[0]}/devtools/page/{tab['targetId']}"
