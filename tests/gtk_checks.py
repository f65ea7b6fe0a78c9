#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whether images with GTK run on the other Debian: ``tests/gtk_checks.py --directory DIR``, as root.

Makes a Debian 12 and a Debian 13 with GTK below DIR, unless they are there, builds the test projects with GTK in each,
and runs every image in both, under Xvfb and under weston without a screen, with variables set that lead GTK to the
machine's modules. Under Xvfb the window must look like that of the distribution's own Python on the release that the
image was built on; no library that goes with GLib may be the machine's, and no variable may reach a child.

Then an ordinary user builds images on a Debian 12 and a Debian 13 with nothing but Python, of what apt fetches; their
words must be German on German machines without GTK.

Prints a line for each run, and ends with 1 if any fails. It takes an hour and 8 GB, so it is no part of the tests.
"""

from __future__ import annotations

import argparse
import os
import re
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUITES = ("bookworm", "trixie")
PROJECTS = ("gtk3-window", "gtk4-window")
SOUND = "gst-sound"
PACKAGES = (
    *("adwaita-icon-theme", "ca-certificates", "dbus", "fonts-dejavu-core", "gcc", "gir1.2-adw-1", "gir1.2-gtk-3.0"),
    *("gir1.2-gst-plugins-base-1.0", "gstreamer1.0-plugins-base", "gstreamer1.0-plugins-good"),
    *("gir1.2-gtk-4.0", "libc6-dev", "libcairo2-dev", "libglib2.0-bin", "librsvg2-common", "pkg-config"),
    *("python3-dev", "python3-gi", "python3-gi-cairo", "python3-venv", "weston", "xvfb"),
)
#: What PyGObject is compiled with, and which of its releases can be.
HEADERS = {"bookworm": "libgirepository1.0-dev", "trixie": "libgirepository-2.0-dev"}
OPTIONS = {"bookworm": ('requirements=["PyGObject<3.51"]',), "trixie": ()}
#: What a machine has on which an ordinary user builds: apt has to fetch all else.
BARE = ("ca-certificates", "python3-venv")
#: And one without GTK on which its images run: a display, and the libraries that are left to every desktop.
DESKTOP = (
    *("fonts-dejavu-core", "libegl1", "libfontconfig1", "libgl1", "libwayland-client0", "libwayland-egl1"),
    *("libx11-xcb1", "locales", "xvfb"),
)
#: What compiles PyGObject, beside its own headers.
COMPILER = ("gcc", "libc6-dev", "libcairo2-dev", "pkg-config", "python3-dev")
WORDS = "test-words"
WORDS_PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "{name}"
version = "1.0"
dependencies = ["PyGObject", "pycairo"]
[project.scripts]
{name} = "{module}:main"
[tool.hatch.build.targets.appimage]
build-packages = {packages}
"""
#: Prints what is written in GTK's dialogue for files, and an error of GLib.
WORDS_MODULE = """
import gi
gi.require_version("Gtk", "{version}")
from gi.repository import Gio, GLib, Gtk
{more}

def words(widget):
    if isinstance(widget, Gtk.Label):
        yield widget.get_text()
    children = []
    if Gtk.MAJOR_VERSION == 3:
        if isinstance(widget, Gtk.Container):
            widget.forall(children.append)
    else:
        child = widget.get_first_child()
        while child:
            children.append(child)
            child = child.get_next_sibling()
    for child in children:
        yield from words(child)

def main():
    print(*words(Gtk.FileChooserDialog(title="Files")), sep="; ")
    try:
        Gio.File.new_for_path("/nowhere").load_contents(None)
    except GLib.Error as error:
        print(error.message)
"""
ADWAITA = 'gi.require_version("Adw", "1")\nfrom gi.repository import Adw'
#: Some of these words in German.
GERMAN = ("Pers\u00f6nlicher Ordner", "Fehler beim ")
#: Settings of this machine for downloads.
SETTINGS = (
    "/etc/apt/apt.conf.d",
    "/etc/pip.conf",
    "/etc/resolv.conf",
    "/etc/ssl/certs",
    "/usr/local/share/ca-certificates",
)
LIB = "/usr/lib/x86_64-linux-gnu"
#: A desktop's variables, and what must not come of them.
HOSTILE = {
    "GDK_PIXBUF_MODULE_FILE": f"{LIB}/gdk-pixbuf-2.0/2.10.0/loaders.cache",
    "GIO_EXTRA_MODULES": f"{LIB}/gio/modules",
    "GI_TYPELIB_PATH": f"{LIB}/girepository-1.0",
    "GTK_PATH": f"{LIB}/gtk-3.0",
    "XDG_DATA_DIRS": "/usr/share",
}
OF_GLIB = re.compile(
    r"/lib(atk|cairo|fontconfig|g[dt]k|gdk_pixbuf|gio|girepository|glib|gobject|harfbuzz|pango)[\w.-]*$"
)
SECONDS = 20
# Of 256 steps of brightness.
ROUNDING = 2
#: In a root that nothing leaves: its mounts, processes and network are its own.
ENTER = """
mount --bind "$1" "$1"; cd "$1"
mkdir -p mnt/checkout mnt/images; mount --bind "$2" mnt/checkout; mount --bind "$3" mnt/images
mount -t proc proc proc; mount --rbind /sys sys; mount --rbind /dev dev
mount -t tmpfs tmpfs tmp; mount -t tmpfs tmpfs run; mkdir -m 700 run/user
root=$1; shift 3
exec chroot "$root" "$@"
"""
SETUP = """
python3 -m venv /opt/venv
/opt/venv/bin/pip install -q /mnt/checkout
"""
BUILD = """
rm -rf /tmp/project; cp -r "/mnt/checkout/test-projects/$1" /tmp/project; cd /tmp/project; shift
/opt/venv/bin/hatch-appimage build . "$@"
"""
# In X windows with transparency are on no picture of the root window, but in the memory of the server.
SHOW = """
out=$1; shift
mkdir -p ~/.config/gtk-3.0; printf '[Settings]\\ngtk-cursor-blink=false\\n' >~/.config/gtk-3.0/settings.ini
if [ "$DISPLAY" ]; then
    Xvfb "$DISPLAY" -screen 0 700x500x24 -fbdir /run >/dev/null 2>&1 &
else
    weston --backend=headless-backend.so --socket=wayland-7 --idle-time=0 >/dev/null 2>&1 &
fi
until [ -S /tmp/.X11-unix/X7 ] || [ -S "$XDG_RUNTIME_DIR/wayland-7" ]; do sleep 1; done
sleep 1
timeout $SECONDS "$@" $SECONDS >"$out.log" 2>&1 &
sleep $((SECONDS - 5))
[ "$DISPLAY" ] && cp /run/Xvfb_screen0 "$out.xwd"
maps=$(grep -l libgtk- /proc/[0-9]*/maps 2>/dev/null | head -1)
process=${maps:+$(dirname "$maps")}
process=${process:-/proc/self}
cat "$process/maps" >"$out.maps"
tr '\\0' '\\n' <"$process/environ" >"$out.environ" || true
"""


BUILD_AS_USER = """
rm -rf /tmp/project; cp -r "/mnt/images/$1" /tmp/project; chown -R user /tmp/project; cd /tmp/project; shift
export HOME=/home/user PYTHONPATH=/mnt/checkout
exec runuser -u user -- /opt/venv/bin/hatch-appimage build . "$@"
"""
SPEAK = """
Xvfb :7 >/dev/null 2>&1 &
until [ -S /tmp/.X11-unix/X7 ]; do sleep 1; done
DISPLAY=:7 timeout 60 "$@" >/mnt/images/words.log 2>&1 || true
"""


@dataclass(frozen=True)
class Place:
    """Where all of it happens."""

    directory: Path

    def make(self, suite: str) -> None:
        """Make a root file system, unless it is there."""
        root = self.directory / suite
        if (root / "opt/venv").exists():
            return
        if not (root / "usr/bin/python3").exists():
            subprocess.run(["debootstrap", "--variant=minbase", "--include=python3", suite, root], check=True)
        for name in filter(os.path.exists, SETTINGS):
            subprocess.run(["cp", "-rLT", "--remove-destination", name, f"{root}{name}"], check=False)
        self.enter(
            suite, 'apt-get update && apt-get install -y --no-install-recommends "$@"', *PACKAGES, HEADERS[suite]
        )
        self.enter(suite, SETUP)

    def make_all(self, *projects: str) -> None:
        """Make both root file systems, and the images of projects in each."""
        for suite in SUITES:
            self.make(suite)
            for project in projects:
                self.build(project, suite)

    def make_bare(self, suite: str) -> None:
        """Make two root file systems, unless they are there: one to build on, and one with a German desktop."""
        bare, desktop = (self.directory / f"{suite}-{kind}" for kind in ("bare", "desktop"))
        if not (bare / "opt/venv").exists():
            if not (bare / "usr/bin/python3").exists():
                options = ["--variant=minbase", f"--include={','.join(BARE)}"]
                subprocess.run(["debootstrap", *options, suite, bare], check=True)
            for name in filter(os.path.exists, SETTINGS):
                subprocess.run(["cp", "-rLT", "--remove-destination", name, f"{bare}{name}"], check=False)
            if not desktop.exists():
                subprocess.run(["cp", "-a", bare, desktop], check=True)
            self.enter(bare.name, f"useradd -m user\n{SETUP}")
        if not (desktop / "usr/bin/Xvfb").exists():
            self.enter(desktop.name, 'apt-get update && apt-get install -y --no-install-recommends "$@"', *DESKTOP)
            self.enter(desktop.name, "localedef -i de_DE -f UTF-8 de_DE.UTF-8")

    def build_bare(self, version: str, suite: str) -> Path:
        """Build an image with a version of GTK as an ordinary user, unless it is there."""
        name = f"{WORDS}-{version[0]}"
        work = self.directory / "work"
        output = work / f"{suite}-bare"
        if not list(output.glob(f"{name}-*.AppImage")):
            project = work / name
            for directory in (output, project):
                directory.mkdir(parents=True, exist_ok=True)
                directory.chmod(0o777)
            packages = [*COMPILER, HEADERS[suite]]
            module = name.replace("-", "_")
            (project / "pyproject.toml").write_text(WORDS_PROJECT.format(name=name, module=module, packages=packages))
            more = ADWAITA if version == "4.0" else ""
            (project / f"{module}.py").write_text(WORDS_MODULE.format(version=version, more=more))
            options = [part for option in OPTIONS[suite] for part in ("--set", option)]
            self.enter(output.name, BUILD_AS_USER, name, "--output", f"/mnt/images/{output.name}", *options)
        (image,) = output.glob(f"{name}-*.AppImage")
        return image

    def enter(self, suite: str, script: str, *arguments: str, alone: bool = False, **variables: str) -> None:
        """Run a script of the shell in a root, alone or with this machine's network."""
        work = self.directory / "work"
        work.mkdir(exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "UV_"))}
        command = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"]
        command += [*(["--net"] if alone else []), "sh", "-euc", ENTER, "sh"]
        command += [str(self.directory / suite), str(ROOT), str(work), "sh", "-c", script, "sh", *arguments]
        home = {
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "DEBIAN_FRONTEND": "noninteractive",
        }
        subprocess.run(command, check=True, env={**({} if alone else kept), **home, **variables})

    def build(self, project: str, suite: str) -> None:
        """Build an image, unless it is there."""
        output = self.directory / "work" / suite
        if not list(output.glob(f"{project}-*.AppImage")):
            options = [part for option in OPTIONS[suite] for part in ("--set", option)]
            self.enter(suite, BUILD, project, "--quiet", "--output", f"/mnt/images/{suite}", *options)

    def show(self, name: str, suite: str, *command: str, wayland: bool = False, **more: str) -> Path:
        """Run a command with a display, and return the path of what was noted of it, without its ending."""
        out = self.directory / "work" / name
        display = {"WAYLAND_DISPLAY": "wayland-7", "GDK_BACKEND": "wayland"} if wayland else {"DISPLAY": ":7"}
        for ending in ("xwd", "maps", "environ", "log"):
            out.with_name(f"{name}.{ending}").unlink(missing_ok=True)
        variables = {
            "XDG_RUNTIME_DIR": "/run/user",
            "NO_AT_BRIDGE": "1",
            "GTK_A11Y": "none",
            "GSK_RENDERER": "cairo",
            "SECONDS": str(SECONDS),
        }
        shown = ["dbus-run-session", "--", "sh", "-c", SHOW, "sh", f"/mnt/images/{name}", *command]
        self.enter(suite, 'exec "$@"', *shown, alone=True, **variables, **display, **more)
        return out


def main() -> int:
    """Build and run all; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path, required=True, help="for the roots and the images")
    parser.add_argument("--only", choices=CHECKS, action="append", help="leave out the other checks")
    options = parser.parse_args()
    place = Place(options.directory.resolve())
    place.directory.mkdir(parents=True, exist_ok=True)
    return 1 if sum([CHECKS[name](place) for name in options.only or CHECKS]) else 0


def check_words(place: Place) -> int:
    """Have images of bare machines show German words where there is no GTK; return how many do not."""
    faults = 0
    for suite in SUITES:
        place.make_bare(suite)
    for version in ("3.0", "4.0"):
        for built in SUITES:
            image = place.build_bare(version, built)
            for suite in SUITES:
                variables = {"APPIMAGE_EXTRACT_AND_RUN": "1", "LANG": "de_DE.UTF-8", "XDG_RUNTIME_DIR": "/run/user"}
                command = f"/mnt/images/{image.parent.name}/{image.name}"
                place.enter(f"{suite}-desktop", SPEAK, command, alone=True, **variables)
                told = (place.directory / "work/words.log").read_text()
                found = all(word in told for word in GERMAN)
                label = f"words of GTK {version} of a bare {built} on {suite}"
                print(f"{label:<55} {'ok' if found else told.strip()[-500:]}", flush=True)
                faults += not found
    return faults


def check_sounds(place: Place) -> int:
    """Have all images decode a sound; return how many tell something else than the distribution's own Python."""
    faults = 0
    place.make_all(SOUND)
    for built in SUITES:
        for suite in SUITES:
            own, told = play(place, suite), play(place, suite, built)
            print(f"{f'{SOUND} of {built} on {suite}':<55} {'ok' if own == told else f'{told}, not {own}'}", flush=True)
            faults += own != told
    return faults


def check_windows(place: Place) -> int:
    """Have all images show their windows; return how many faults there are."""
    faults = 0
    place.make_all(*PROJECTS)
    for project in PROJECTS:
        for built in SUITES:
            own = run_own(place, project, built)
            for suite in SUITES:
                for wayland in (False, True):
                    found = run_image(place, project, built, suite, None if wayland else own)
                    label = f"{project} of {built} on {suite}, {'weston' if wayland else 'Xvfb'}"
                    print(f"{label:<55} {'; '.join(found) or 'ok'}", flush=True)
                    faults += len(found)
    return faults


def play(place: Place, suite: str, built: str = "") -> str:
    """Return what is told of a sound: by an image, or by the distribution's own Python and GStreamer."""
    code = (
        f"import sys; sys.path.insert(0, '/mnt/checkout/test-projects/{SOUND}/src'); import gst_sound; gst_sound.main()"
    )
    command = ["/usr/bin/python3", "-B", "-c", code]
    if built:
        (image,) = (place.directory / "work" / built).glob(f"{SOUND}-*.AppImage")
        command = [f"/mnt/images/{built}/{image.name}"]
    variables = {"APPIMAGE_EXTRACT_AND_RUN": "1", "GST_PLUGIN_PATH": f"{LIB}/gstreamer-1.0"}
    place.enter(suite, '"$@" >/mnt/images/sound.log 2>&1 || true', *command, alone=True, **variables)
    return (place.directory / "work/sound.log").read_text().strip()


def run_own(place: Place, project: str, suite: str) -> Path:
    """Run a project by the distribution's own Python, and return the picture of it."""
    module = project.replace("-", "_")
    code = (
        f"import sys; sys.path.insert(0, '/mnt/checkout/test-projects/{project}/src'); import {module}; {module}.main()"
    )
    out = place.show(f"{project}-own-{suite}", suite, "/usr/bin/python3", "-B", "-c", code)
    return out.with_name(f"{out.name}.xwd")


def run_image(place: Place, project: str, built: str, suite: str, own: Path | None) -> list[str]:
    """Run an image, and return what is wrong; under Wayland if there is no picture to compare its own with."""
    (image,) = (place.directory / "work" / built).glob(f"{project}-*.AppImage")
    name = f"{project}-{built}-on-{suite}-{'x' if own else 'wayland'}"
    command = [f"/mnt/images/{built}/{image.name}"]
    variables = {**HOSTILE, "APPIMAGE_EXTRACT_AND_RUN": "1"}
    out = place.show(name, suite, *command, wayland=own is None, **variables)
    texts = {
        ending: out.with_name(f"{name}.{ending}").read_text(errors="replace") for ending in ("maps", "environ", "log")
    }
    faults = [f"loads {path}" for path in sorted(set(texts["maps"].split())) if is_foreign(path)]
    if "libgtk-" not in texts["maps"]:
        faults.append(f"does not run: {texts['log'].strip()[-300:]}")
    children = dict(line.split("=", 1) for line in texts["environ"].splitlines() if "=" in line)
    faults += [f"{key} is {children.get(key)}" for key in HOSTILE if children.get(key) != HOSTILE[key]]
    faults += [
        f"{key} reaches children"
        for key in ("GSETTINGS_SCHEMA_DIR", "GIO_MODULE_DIR", "GTK_EXE_PREFIX")
        if key in children
    ]
    if own and (different := count_different(own, out.with_name(f"{name}.xwd"))):
        faults.append(f"{different} pixels are not as by the distribution's own Python")
    return faults


def is_foreign(path: str) -> bool:
    """Whether a file in a process is a machine's library that goes with GLib, or a typelib of the machine."""
    return path.startswith("/usr/") and (path.endswith(".typelib") or OF_GLIB.search(path) is not None)


def count_different(one: Path, other: Path) -> int:
    """Return how many pixels of two pictures in the format of xwd(1) differ; all, where one has nothing on it."""
    pictures = [read_pixels(path) for path in (one, other)]
    if any(len(set(picture)) == 1 for picture in pictures):
        return len(pictures[0])
    return sum(not is_alike(*pixels) for pixels in zip(*pictures, strict=True))


def is_alike(one: bytes, other: bytes) -> bool:
    """Whether two pixels differ by no more than rounding: the C library's functions are the machine's."""
    return all(abs(a - b) <= ROUNDING for a, b in zip(one, other, strict=True))


def read_pixels(path: Path) -> list[bytes]:
    """Return the pixels of a picture (X11's XWDFile.h: a header of 25 numbers, colours of 12 bytes, rows)."""
    data = path.read_bytes()
    header = struct.unpack_from(">25I", data)
    size, width, height, bits, stride, colours = (header[index] for index in (0, 4, 5, 11, 12, 19))
    start, step = size + 12 * colours, bits // 8
    rows = (data[start + y * stride :][: width * step] for y in range(height))
    return [row[place : place + step] for row in rows for place in range(0, len(row), step)]


CHECKS = {"sounds": check_sounds, "windows": check_windows, "words": check_words}


if __name__ == "__main__":
    sys.exit(main())
