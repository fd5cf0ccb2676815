"""Make a certificate for TLS on this machine."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from harness.errors import MeshError

_DAYS = 30


def self_made_certificate(folder: Path, name: str, hosts: Sequence[str]) -> tuple[Path, Path]:
    """Return the files of a certificate for hosts, signed by itself, and of its private key; make them if missing.

    Raises MeshError without the program openssl.
    """
    folder.mkdir(parents=True, exist_ok=True)
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    if certificate.is_file() and key.is_file():
        return certificate, key
    program = shutil.which("openssl")
    if program is None:
        raise MeshError("expected the program openssl, which makes certificates of Gateways, found none: install it")
    names = ",".join(["DNS:localhost", "IP:127.0.0.1", *(f"DNS:{host}" for host in hosts if host != "*")])
    command = [
        program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(_DAYS),
        "-subj", "/CN=localhost", "-addext", f"subjectAltName={names}", "-keyout", str(key), "-out", str(certificate),
    ]  # fmt: skip
    made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if made.returncode != 0:
        raise MeshError(f"openssl could not make a certificate for {names}: {made.stderr.strip()[-300:]}")
    key.chmod(0o600)
    return certificate, key
