# SPDX-License-Identifier: MIT
"""Keys of gpg, and signatures verified by an independent reading of the rules."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from pathlib import Path
from tempfile import mkdtemp

from support.tools import require


def gpg(*arguments: str | Path) -> str:
    command: list[str | Path] = [require("gpg", "gnupg"), "--batch", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def make_key(kind: str, name: str = "Ada", passphrase: str = "") -> str:
    gpg("--pinentry-mode", "loopback", "--passphrase", passphrase, "--quick-gen-key", name, kind, "sign")
    match = re.search(r"^fpr:+([0-9A-F]+):", gpg("--with-colons", "--list-keys", name), re.MULTILINE)
    assert match
    return match[1]


def independent_check(image: Path, directory: Path) -> bool:
    """Follow the published steps with tools of the system alone."""
    data = bytearray(image.read_bytes())
    output = subprocess.check_output([require("readelf", "binutils"), "-SW", image], text=True)
    found = {}
    for name in (".sha256_sig", ".sig_key"):
        match = re.search(rf"{re.escape(name)}\s+\S+\s+\S+\s+([0-9a-f]+)\s+([0-9a-f]+)", output)
        assert match
        offset, size = int(match[1], 16), int(match[2], 16)
        found[name] = bytes(data[offset : offset + size]).split(b"\0")[0]
        data[offset : offset + size] = bytes(size)
    ring = Path(mkdtemp(prefix="gpg-", dir="/tmp"))
    for name, content in (("sig", found[".sha256_sig"]), ("key", found[".sig_key"])):
        (directory / name).write_bytes(content)
    (directory / "digest").write_text(hashlib.sha256(data).hexdigest())
    try:
        gpg("--homedir", ring, "--no-autostart", "--import", directory / "key")
        command: list[str | Path] = [
            "gpg",
            "--homedir",
            ring,
            "--batch",
            "--no-autostart",
            "--verify",
            directory / "sig",
            directory / "digest",
        ]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    finally:
        shutil.rmtree(ring, ignore_errors=True)
