"""The first run of a project that ``harness init`` made ends in a pass."""

import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.alone
def test_the_first_run_passes(tmp_path):
    """In an empty folder, with a tiny HTTP service and without any change of the files."""
    (tmp_path / "service.py").write_text(SERVICE)
    bin_folder = Path(sys.executable).parent
    start = f"{sys.executable} service.py {{port}}"
    init = [bin_folder / "harness", "init", "--service", "shop", "--baseline", start]
    subprocess.run(init, cwd=tmp_path, check=True, stdin=subprocess.DEVNULL)
    run = subprocess.run(
        [bin_folder / "pytest", "scenarios/"], cwd=tmp_path, text=True, capture_output=True, check=False
    )
    assert 0 == run.returncode, run.stdout + run.stderr
    assert "PASS" in run.stdout
    assert "harness: target local" in run.stdout
    assert list(tmp_path.glob("reports/*/*/report.html"))
