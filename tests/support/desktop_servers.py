# SPDX-License-Identifier: MIT
"""What desktop applications speak to: displays, printers, a web server with an own authority, who lets in as root."""

from __future__ import annotations

import itertools
import os
import shutil
import ssl
import subprocess
import threading
import time
import wave
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

from support.desktop_machines import USER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.desktop_machines import DesktopMachine

PAGE = "<!doctype html><meta charset=utf-8><title>Über</title><body>the page</body>"
_SECONDS = 30.0
_FONTS = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>/usr/share/fonts/truetype/dejavu</dir><cachedir>/tmp/fonts</cachedir></fontconfig>
"""
_WESTON = """\
[shell]
background-color=0xff204060
panel-position=none
startup-animation=none
focus-animation=none
close-animation=none
"""
_CUPS = """\
Listen 127.0.0.1:{port}
Browsing Off
DefaultAuthType None
<Location />
  Order allow,deny
  Allow from 127.0.0.1
</Location>
"""
_CUPS_FILES = """\
ServerRoot /tmp/cups
ServerBin /usr/lib/cups
DataDir /usr/share/cups
RequestRoot /tmp/cups/spool
CacheDir /tmp/cups/cache
StateDir /tmp/cups/state
TempDir /tmp/cups/spool
AccessLog /tmp/cups/access
ErrorLog /tmp/cups/errors
PageLog /tmp/cups/pages
User nobody
Group nogroup
SystemGroup root
"""
_QUEUE = """\
NextPrinterId 2
<DefaultPrinter office>
PrinterId 1
UUID urn:uuid:6d0a9e6c-2f8c-3a3a-5a4b-0a0b0c0d0e0f
Info The printer in the office
DeviceURI socket://127.0.0.1:9
State Idle
Accepting Yes
Shared No
</DefaultPrinter>
"""
# The accounts that packages make when they are configured, and that of the applications' user, whom polkit asks about.
_ACCOUNTS = {"probe": USER, "messagebus": 991, "polkitd": 992}
_MAY_BE_ROOT = """\
polkit.addRule(function (action, subject) {
  return subject.user == "probe" ? polkit.Result.YES : polkit.Result.NO;
});
"""
# What those scripts give the rights of root, too.
_SETUID = ("fusermount3", "pkexec")
_WITHOUT_PASSWORDS = "".join(f"{kind} required pam_permit.so\n" for kind in ("auth", "account", "session"))


@dataclass(frozen=True)
class Display:
    """A display without a screen.

    Attributes:
        variables: by which clients find it.
        frame: the file with what is on the screen, as Xvfb keeps it.

    """

    variables: dict[str, str]
    frame: Path


@contextmanager
def _running(process: subprocess.Popen[str], ready: Path) -> Iterator[None]:
    """Have a server running once a file is there; end it afterwards.

    Raises:
        TimeoutError: the file does not appear.

    """
    with process:
        try:
            deadline = time.monotonic() + _SECONDS
            while not ready.exists():
                if time.monotonic() > deadline or process.poll() is not None:
                    raise TimeoutError(f"{process.args!r} does not start: {ready} is missing")
                time.sleep(0.1)
            yield
        finally:
            process.terminate()


@contextmanager
def x_server(machine: DesktopMachine) -> Iterator[Display]:
    """Start an X server, with a number that no other one has: abstract sockets are not the machine's own."""
    sockets = Path("/proc/net/unix").read_text().split()
    number = next(number for number in itertools.count(77) if f"@/tmp/.X11-unix/X{number}" not in sockets)
    directory = machine.path(f"x{number}")
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    command = [
        "Xvfb",
        f":{number}",
        "-screen",
        "0",
        "800x600x24",
        "-fbdir",
        f"/tmp/{directory.name}",
        "-ac",
        "-noreset",
    ]
    process = machine.start([*command, "-nolisten", "tcp"], {}, user=0, output=subprocess.DEVNULL)
    frame = directory / "Xvfb_screen0"
    variables = {"DISPLAY": f":{number}"}
    with _running(process, frame):
        # With dead keys: else xdotool puts them on the keyboard just while it presses them, and not every application
        # looks that soon.
        machine.run(["setxkbmap", "-layout", "us", "-variant", "intl"], variables)
        yield Display(variables, frame)


@contextmanager
def wayland(machine: DesktopMachine) -> Iterator[dict[str, str]]:
    """Start a compositor with a plain background; yield the variables by which clients find it."""
    directory = machine.path("wayland")
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700)
    os.chown(directory, USER, USER)
    (directory / "weston.ini").write_text(_WESTON)
    variables = {"XDG_RUNTIME_DIR": "/tmp/wayland", "WAYLAND_DISPLAY": "wayland-7", "XDG_SESSION_TYPE": "wayland"}
    older = ("--backend=headless-backend.so", "--use-pixman")
    backend = ("--backend=headless", "--renderer=pixman") if _weston(machine) >= 12 else older
    options = ("--config=/tmp/wayland/weston.ini", "--socket=wayland-7", "--idle-time=0", "--debug")
    command = ["weston", *backend, *options, "--width=800", "--height=600"]
    process = machine.start(command, variables, output=subprocess.DEVNULL)
    with _running(process, directory / "wayland-7"):
        yield variables


def _weston(machine: DesktopMachine) -> int:
    words = machine.run(["weston", "--version"], {"XDG_RUNTIME_DIR": "/tmp"}).split()
    return int(words[1].split(".")[0])


@contextmanager
def printing(machine: DesktopMachine, port: int) -> Iterator[dict[str, str]]:
    """Start CUPS with one queue; yield the variables by which clients find it."""
    directory = machine.path("cups")
    shutil.rmtree(directory, ignore_errors=True)
    for name in ("", "spool", "cache", "state"):
        (directory / name).mkdir()
    (directory / "cupsd.conf").write_text(_CUPS.format(port=port))
    (directory / "cups-files.conf").write_text(_CUPS_FILES)
    (directory / "printers.conf").write_text(_QUEUE)
    files = ["-c", "/tmp/cups/cupsd.conf", "-s", "/tmp/cups/cups-files.conf"]
    process = machine.start(["cupsd", "-f", *files], {}, user=0, output=subprocess.DEVNULL)
    with _running(process, directory / "state" / "certs" / "0"):
        yield {"CUPS_SERVER": f"127.0.0.1:{port}"}


@contextmanager
def polkit(machine: DesktopMachine) -> Iterator[None]:
    """Start polkit, which lets the applications' user run every program as root without a password."""
    root = machine.root
    for file, line in (("passwd", "{0}:x:{1}:{1}::/tmp:/bin/sh\n"), ("group", "{0}:x:{1}:\n")):
        path = root / "etc" / file
        text = path.read_text().partition(f"{next(iter(_ACCOUNTS))}:")[0]  # without those of another run
        path.write_text(text + "".join(line.format(*account) for account in _ACCOUNTS.items()))
    for name in _SETUID:
        (root / "usr" / "bin" / name).chmod(0o4755)
    if not (root / "etc" / "mtab").is_symlink():  # without it fusermount3 mounts nothing
        (root / "etc" / "mtab").symlink_to("../proc/self/mounts")
    for directory in (root / "etc" / "polkit-1" / "rules.d", root / "usr" / "share" / "polkit-1" / "rules.d"):
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o755)
        directory.parent.chmod(0o755)
    (root / "etc" / "polkit-1" / "rules.d" / "10-probe.rules").write_text(_MAY_BE_ROOT)
    for name in ("polkit-1", "other"):
        (root / "etc" / "pam.d" / name).write_text(_WITHOUT_PASSWORDS)
    machine.path("of-root").write_text("what only root may read")
    machine.path("of-root").chmod(0o600)
    socket = root / "run" / "dbus" / "system_bus_socket"
    socket.parent.mkdir(exist_ok=True)
    socket.unlink(missing_ok=True)
    if not (root / "var" / "run").is_symlink():
        (root / "var" / "run").rmdir()
        (root / "var" / "run").symlink_to("/run")
    bus = machine.start(["dbus-daemon", "--system", "--nofork", "--nopidfile"], {}, user=0, output=subprocess.DEVNULL)
    with _running(bus, socket):
        daemon = ["/usr/lib/polkit-1/polkitd", "--no-debug"]
        with machine.start(daemon, {}, user=0, output=subprocess.DEVNULL) as process:
            try:
                _wait_for_polkit(machine)
                yield
            finally:
                process.terminate()


def _wait_for_polkit(machine: DesktopMachine) -> None:
    deadline = time.monotonic() + _SECONDS
    while complaint := _complaint_of_pkexec(machine):
        if time.monotonic() > deadline:
            raise TimeoutError(f"pkexec does not work: {complaint}")
        time.sleep(0.2)


def _complaint_of_pkexec(machine: DesktopMachine) -> str:
    with machine.start(["pkexec", "true"], {}) as process:
        _, errors = process.communicate(timeout=_SECONDS)
    return errors or "it does not say why" if process.returncode else ""


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        data = PAGE.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def web_server(machine: DesktopMachine) -> Iterator[dict[str, str]]:
    """Start a web server whose authority is the user's alone; yield where both are found."""
    directory = machine.path("authority")
    directory.mkdir(exist_ok=True)
    key, authority, certificate = (directory / name for name in ("key.pem", "authority.pem", "server.pem"))
    make: list[str | Path] = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "300"]
    own: list[str | Path] = [
        *make,
        "-subj",
        "/CN=The authority",
        "-keyout",
        directory / "authority.key",
        "-out",
        authority,
    ]
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE"]
    signed: list[str | Path] = ["-CA", authority, "-CAkey", directory / "authority.key"]
    of_server: list[str | Path] = [
        *make,
        "-subj",
        "/CN=localhost",
        *names,
        *signed,
        "-keyout",
        key,
        "-out",
        certificate,
    ]
    for command in (own, of_server):
        subprocess.run(command, check=True, capture_output=True)
    authority.chmod(0o644)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield {
            "PROBE_URL": f"https://127.0.0.1:{server.server_port}/",
            "PROBE_AUTHORITY": "/tmp/authority/authority.pem",
        }
    finally:
        server.shutdown()


def trust(machine: DesktopMachine) -> None:
    """Have Chromium trust that authority, whose database of certificates is the user's."""
    database = f"sql:/tmp/home-{USER}/.pki/nssdb"
    machine.run(["mkdir", "-p", f"/tmp/home-{USER}/.pki/nssdb"], {})
    machine.run(["certutil", "-d", database, "-N", "--empty-password"], {})
    authority = ["-n", "probe", "-t", "C,,", "-i", "/tmp/authority/authority.pem"]
    machine.run(["certutil", "-d", database, "-A", *authority], {})


def write_fonts(machine: DesktopMachine) -> dict[str, str]:
    """Have one family of fonts on every machine; return the variable that says so."""
    machine.path("fonts.conf").write_text(_FONTS)
    machine.path("fonts").mkdir(exist_ok=True)
    machine.path("fonts").chmod(0o1777)
    return {"FONTCONFIG_FILE": "/tmp/fonts.conf"}


def write_sound(machine: DesktopMachine) -> dict[str, str]:
    """Write a sound of one second; return where it is."""
    with wave.open(str(machine.path("sound.wav")), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(44100)
        file.writeframes(bytes(2 * 44100))
    return {"PROBE_SOUND": "/tmp/sound.wav"}
