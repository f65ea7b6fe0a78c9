#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Carry out docs/desktop-recipes.md: ``tests/desktop_recipes.py [--directory DIR] [--pictures] [NAME ...]``.

Writes each project into an empty directory, builds its image, and starts that under Xvfb with a session bus, all of it
with an empty environment. Prints a line for each: by what name desktops know its window (``WM_CLASS``), which has to be
the desktop entry's ``StartupWMClass``; it ends with 1 where it is another one. ``--pictures`` takes the pictures of the
page anew, which needs Pillow. It takes half an hour, so it is no part of the tests.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent))

from support.recipes import read_recipes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from support.recipes import Recipe

SECONDS = 60  # in which a window has to be there
SETTLING = 5  # seconds until it shows what it will
COLOURS = 32  # of a picture
SCREEN = "820x620x24"
WINDOW = re.compile(r'^\s+0x\w+ .*: \("(.*)" "(.*)"\) ', re.MULTILINE)
CLASS = re.compile(r"^StartupWMClass=(.*)$", re.MULTILINE)


def main() -> int:
    """Carry out recipes; return the exit status."""
    recipes = {recipe.name: recipe for recipe in read_recipes()}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path, help="where the projects and images stay (default: nowhere)")
    parser.add_argument("--pictures", action="store_true", help="write the pictures of the page")
    parser.add_argument("names", nargs="*", choices=[*recipes, []], help="these projects only")
    options = parser.parse_args()
    chosen = [recipes[name] for name in options.names or recipes]
    with tempfile.TemporaryDirectory() as temporary:
        directory = (options.directory or Path(temporary)).absolute()
        results = [carry_out(recipe, directory / recipe.name, pictures=options.pictures) for recipe in chosen]
    return 0 if all(results) else 1


def carry_out(recipe: Recipe, project: Path, *, pictures: bool) -> bool:
    """Build and start what a recipe describes; print what comes of it, and say whether all is well."""
    image = next(project.glob("dist/*.AppImage"), None)
    if image is None:
        recipe.write(project)
        image = build(project)
    wanted = read_window_class(image)
    with display() as name, start(image, recipe.arguments, name) as process:
        found = wait_for_window(name, process) if recipe.picture else ("none",)
        if pictures and recipe.picture:
            take_picture(name, recipe.picture)
        alive = process.poll() is None
    fine = alive and (wanted in found or not recipe.picture)
    print(
        f"{recipe.name:<14} {image.stat().st_size / 1e6:7.1f} MB  {' '.join(found)}",
        "" if fine else "FAILED",
        flush=True,
    )
    return fine


def environment(**more: str) -> dict[str, str]:
    """Return the variables of a fresh login."""
    kept = {name: os.environ[name] for name in ("HOME", "PATH", "SSL_CERT_FILE") if name in os.environ}
    return {**kept, "LANG": "C.UTF-8", **more}


def build(project: Path) -> Path:
    """Build an image and return it; what the build says is in a file beside the project's."""
    with (project / "build.log").open("w") as log:
        command: list[str | Path] = [Path(sys.executable).with_name("hatch-appimage"), "build"]
        subprocess.run(command, cwd=project, env=environment(), stdout=log, stderr=subprocess.STDOUT, check=True)
    return next(project.glob("dist/*.AppImage"))


def read_window_class(image: Path) -> str:
    """Return what the desktop entry says that windows are called."""
    with tempfile.TemporaryDirectory() as directory:
        command: list[str | Path] = [image, "--appimage-extract", "*.desktop"]
        subprocess.run(command, cwd=directory, env=environment(), stdout=subprocess.DEVNULL, check=True)
        (entry,) = Path(directory, "squashfs-root").glob("*.desktop")
        found = CLASS.search(entry.read_text(encoding="utf-8"))
    return found[1] if found else ""


@contextmanager
def display() -> Iterator[str]:
    """Start an X server without a screen, and yield its name."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", SCREEN, "-nolisten", "tcp", "-noreset"]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as server:
        os.close(write)
        with os.fdopen(read) as pipe:
            yield f":{pipe.readline().strip()}"
        server.terminate()


@contextmanager
def start(image: Path, arguments: Sequence[str], name: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start an image with a session bus of its own."""
    command: list[str | Path] = ["dbus-run-session", "--", image, *arguments]
    log = (image.parent.parent / "run.log").open("wb")
    with (
        log,
        subprocess.Popen(
            command, cwd=image.parent.parent, env=environment(DISPLAY=name), stdout=log, stderr=log
        ) as process,
    ):
        yield process
        process.terminate()


def wait_for_window(name: str, process: subprocess.Popen[bytes]) -> tuple[str, ...]:
    """Return the two parts of the name of the first window."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        command = ["xwininfo", "-display", name, "-root", "-tree"]
        tree = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        if found := WINDOW.search(tree):
            time.sleep(SETTLING)
            return found[1], found[2]
        time.sleep(0.5)
    return ("no", "window")


def take_picture(name: str, path: Path) -> None:
    """Write what is to be seen as a PNG with few colours."""
    picture = import_module("PIL.ImageGrab").grab(xdisplay=name).convert("RGB")
    picture = picture.crop(picture.getbbox())
    path.parent.mkdir(exist_ok=True)
    picture.quantize(COLOURS, dither=0).save(path, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
