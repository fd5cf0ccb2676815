"""The first run of a project that ``harness init`` made ends in a pass."""

import subprocess
import sys
from pathlib import Path

import pytest
from gates import Gate

SERVICE = """\
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *words): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
QUICKER = {"rate: 100,": "rate: 200,", "warm-up: 3s, steady: 10s..1m": "warm-up: 1s, steady: 5s..1m"}


@pytest.mark.alone
def test_the_first_run_passes(tmp_path):
    """In an empty folder, with a tiny HTTP service and with the files as they are, but twice the load for half the time."""
    gate = Gate(tmp_path)
    (tmp_path / "service.py").write_text(SERVICE)
    start = f"{sys.executable} service.py {{port}}"
    init = [Path(sys.executable).parent / "harness", "init", "--service", "shop", "--baseline", start]
    subprocess.run(init, cwd=tmp_path, check=True, stdin=subprocess.DEVNULL)
    settings = (tmp_path / "harness.yaml").read_text()
    for written, quicker in QUICKER.items():
        assert 1 == settings.count(written)
        settings = settings.replace(written, quicker)
    (tmp_path / "harness.yaml").write_text(settings)
    said, code = gate.run_on_time("scenarios/")
    assert 0 == code, said
    assert "PASS" in said
    assert "harness: target local" in said
    assert list(tmp_path.glob("reports/*/*/report.html"))
