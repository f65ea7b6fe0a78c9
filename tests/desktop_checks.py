#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whether desktop applications do from an image what they do from a virtual environment.

For each toolkit, and each release of Debian, a small application is started by an ordinary user: from its image, on a
machine that has just what images leave to it, and from a virtual environment, on one that has all that the toolkit's
wheels need. Both use the same display, fonts, printers and servers. Prints a table, which ``--page`` writes as a page
of the documentation, and ends with 1 where anything differs. It needs root, debootstrap and the package index, and
takes an hour, most of it for what ``--directory`` keeps, beside results: systems, images and environments. So it is no
part of the tests.
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import queue
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from support import desktop_servers as servers
from support.desktop_machines import LEFT_TO_THE_MACHINE, OF_A_DESKTOP, make_machine
from support.desktop_toolkits import TOOLKITS, build_image, make_environment, write_project
from support.integrators import complaints_of_appstream, complaints_of_validator, register
from support.projects import SUPPORT
from support.runner import unpack
from support.screenshots import SHARE, TOLERANCE, read_png, read_xwd

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from support.desktop_machines import DesktopMachine
    from support.screenshots import Screenshot

#: Code names of Debian's releases.
SUITES = {"bookworm": "Debian 12", "trixie": "Debian 13"}
#: How long an application may take to start, and to say something, in seconds.
_START_SECONDS, _QUIET_SECONDS = 60.0, 2.0


@dataclass
class Application:
    """A running application, which prints an array of JSON a line."""

    process: subprocess.Popen[str]
    lines: queue.Queue[str | None] = field(default_factory=queue.Queue)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._read_errors, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.lines.put(line.strip())
        self.lines.put(None)

    def _read_errors(self) -> None:
        self.errors += self.process.stderr or ()

    def next(self, seconds: float) -> str | None:
        """Return the next line; None after the last one, or if none comes."""
        try:
            return self.lines.get(timeout=seconds)
        except queue.Empty:
            return None

    def wait_until_ready(self) -> None:
        """Wait until its window is there.

        Raises:
            RuntimeError: it does not come.

        """
        line = ""
        while line != '["ready"]':
            line = self.next(_START_SECONDS) or self._fail()

    def _fail(self) -> str:
        time.sleep(0.2)
        said = [line.strip() for line in self.errors if line.strip()]
        raise RuntimeError(said[-1] if said else "it shows no window")

    def rest(self, seconds: float) -> list[str]:
        """Return the lines until it ends, or is quiet for some time; a hundred at most."""
        return list(itertools.islice(iter(lambda: self.next(seconds), None), 100))


@dataclass(frozen=True)
class Session:
    """Where applications run and what plays the user.

    Attributes:
        desktop: the machine with virtual environments, servers and tools.
        bare: the machine that runs images.
        variables: of everything that runs.
        display: of X11.
        wayland: the variables of a compositor.

    """

    desktop: DesktopMachine
    bare: DesktopMachine
    variables: dict[str, str]
    display: servers.Display
    wayland: dict[str, str]

    def tool(self, *command: str) -> str:
        """Run a tool of the user's on the X display, and return what it prints."""
        return self.desktop.run(command, self.display.variables, seconds=20)


@dataclass(frozen=True)
class Answer:
    """What came of a check: words, and what the screen shows; or why nothing could be asked."""

    words: str
    picture: Screenshot | None = None
    is_failure: bool = False

    def difference(self, other: Answer) -> str:
        """Return how another answer differs from this one, the environment's; nothing if it is the same."""
        if self.is_failure:
            return f"not compared: {self.words}"
        if self.words != other.words:
            return f"`{other.words}` in place of `{self.words}`"
        if self.picture is None or other.picture is None:
            return ""
        share = self.picture.difference(other.picture)
        return "" if share <= SHARE else f"{share:.1%} of the screen has another colour"


@dataclass(frozen=True)
class Comparison:
    """The answer of a virtual environment, and how that of the image differs; empty if it does not."""

    expected: str
    difference: str

    def __str__(self) -> str:
        return self.difference or f"the same: {self.expected}"


def _stable(take: Callable[[], bytes]) -> bytes:
    """Return a picture of the screen once it does not change any more."""
    picture = take()
    for _ in range(20):
        time.sleep(1)
        before, picture = picture, take()
        if picture == before:
            break
    return picture


def _shown(picture: Screenshot) -> Answer:
    return Answer("a window", picture) if picture.colours() > 1 else Answer("an empty screen", is_failure=True)


def _window(session: Session, application: Application) -> Answer:
    application.wait_until_ready()
    return _shown(read_xwd(_stable(session.display.frame.read_bytes)))


def _wayland(session: Session, application: Application) -> Answer:
    application.wait_until_ready()
    return _shown(read_png(_stable(lambda: _shoot(session))).window())


def _shoot(session: Session) -> bytes:
    session.desktop.run(["sh", "-c", "cd /tmp/wayland && exec weston-screenshooter"], session.wayland)
    (path,) = session.desktop.path("wayland").glob("*.png")
    data = path.read_bytes()
    path.unlink()
    return data


def _keys(session: Session, application: Application) -> Answer:
    application.wait_until_ready()
    # It finds no window of SDL's by its name.
    visible = session.tool("xdotool", "search", "--onlyvisible", "--class", "").split()
    named = [window for window in visible if session.tool("xdotool", "getwindowname", window) == "probe\n"]
    session.tool("xdotool", "windowfocus", named[-1])
    time.sleep(0.5)
    for key in ("a", "dead_acute", "e"):
        session.tool("xdotool", "key", key)
        time.sleep(0.5)
    typed = [line for line in application.rest(_QUIET_SECONDS) if line != '["ready"]']
    return Answer(json.loads(typed[-1])[0]) if typed else Answer("nothing typed", is_failure=True)


def _clipboard(session: Session, application: Application) -> Answer:
    application.wait_until_ready()
    given = session.tool("xclip", "-selection", "clipboard", "-o")
    session.tool("sh", "-c", "printf 'from outside: ü' | xclip -selection clipboard -i >/dev/null 2>&1")
    got = application.rest(_QUIET_SECONDS)
    return Answer(f"{given} / {json.loads(got[-1])[0] if got else 'nothing'}")


def _dialogue(session: Session, application: Application) -> Answer:
    application.wait_until_ready()
    picture = read_xwd(_stable(session.display.frame.read_bytes))
    return Answer(session.tool("xdotool", "search", "--name", "Choose", "getwindowname").strip(), picture)


def _told(_session: Session, application: Application) -> Answer:
    words = " ".join(application.rest(_START_SECONDS))
    return Answer(words) if words else Answer("".join(application.errors[-1:]).strip(), is_failure=True)


CHECKS: dict[str, tuple[str, Callable[[Session, Application], Answer] | None]] = {
    "window": ("window on X11", _window),
    "wayland": ("window on Wayland", _wayland),
    "keys": ("dead keys", _keys),
    "clipboard": ("clipboard", _clipboard),
    "dialogue": ("file dialogue", _dialogue),
    "printers": ("printers of CUPS", _told),
    "tls": ("TLS with an own authority", _told),
    "sound": ("sound decoded", _told),
    "web": ("web page over https", _told),
    "helper": ("part as root", _told),
    "menu": ("entry in menus", None),
}
#: What an image is asked on the machine with virtual environments, as the other one lacks whom it asks.
_NEEDING_A_DESKTOP = {"helper"}


def main() -> int:
    """Compare all; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path, help="keep systems, images, environments and results there")
    parser.add_argument("--suites", nargs="*", choices=SUITES, default=list(SUITES), help="these only")
    parser.add_argument("--toolkits", nargs="*", choices=TOOLKITS, default=list(TOOLKITS), help="these only")
    parser.add_argument("--checks", nargs="*", choices=CHECKS, default=list(CHECKS), help="these only")
    parser.add_argument("--page", type=Path, help="write the table there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory = (options.directory or Path(temporary)).absolute()
        differ = False
        for suite in options.suites:
            with _session(suite, directory) as session:
                for toolkit in options.toolkits:
                    for check, result in _compare(session, suite, toolkit, options.checks):
                        print(f"{suite:<9} {toolkit:<19} {check:<10} {result}", flush=True)
                        _store(directory, (toolkit, check, suite), result)
                        differ = differ or bool(result.difference)
        if options.page:
            options.page.write_text(_page(_stored(directory), directory / "shared"), encoding="utf-8")
    return 1 if differ else 0


def _stored(directory: Path) -> dict[tuple[str, str, str], Comparison]:
    """Return the results that a directory keeps, which may be of several runs, in the order of the table."""
    path = directory / "results.json"
    rows = json.loads(path.read_text()) if path.exists() else []
    found = {(toolkit, check, suite): Comparison(*words) for toolkit, check, suite, *words in rows}
    order = [[*TOOLKITS], [*CHECKS], [*SUITES]]
    return dict(
        sorted(found.items(), key=lambda item: [names.index(name) for names, name in zip(order, item[0], strict=True)])
    )


def _store(directory: Path, key: tuple[str, str, str], result: Comparison) -> None:
    results = {**_stored(directory), key: result}
    rows = [[*each, found.expected, found.difference] for each, found in results.items()]
    (directory / "results.json").write_text(json.dumps(rows, indent=1))


@contextmanager
def _session(suite: str, directory: Path) -> Iterator[Session]:
    """Make the machines of a release, and start all servers."""
    shared = directory / "shared"
    shared.mkdir(parents=True, exist_ok=True)
    shared.chmod(0o1777)
    bare = make_machine(directory / f"{suite}-bare", suite, LEFT_TO_THE_MACHINE, shared)
    desktop = make_machine(directory / f"{suite}-desktop", suite, (*LEFT_TO_THE_MACHINE, *OF_A_DESKTOP), shared)
    with ExitStack() as stack:
        variables = {
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "SDL_AUDIODRIVER": "dummy",
            "PYGAME_HIDE_SUPPORT_PROMPT": "1",
            **servers.write_fonts(desktop),
            **servers.write_sound(desktop),
            **stack.enter_context(servers.web_server(desktop)),
            **stack.enter_context(servers.printing(desktop, 6631)),
        }
        servers.trust(desktop)
        stack.enter_context(servers.polkit(desktop))
        display = stack.enter_context(servers.x_server(desktop))
        yield Session(desktop, bare, variables, display, stack.enter_context(servers.wayland(desktop)))


def _compare(session: Session, suite: str, name: str, chosen: Sequence[str]) -> Iterator[tuple[str, Comparison]]:
    """Yield the checks of a toolkit, each with what came of it."""
    toolkit, file_name = TOOLKITS[name], _file_name(name)
    project = session.desktop.path(f"projects/{file_name}")
    image = session.desktop.path(f"images/{file_name}.AppImage")
    environment = f"venvs/{suite}/{file_name}"
    if not image.exists():
        image.parent.mkdir(exist_ok=True)
        build_image(write_project(toolkit, project), image)
    if not session.desktop.path(environment).exists():
        make_environment(project, session.desktop, environment)
    if "menu" in chosen:
        yield "menu", Comparison("registered", "; ".join(_complaints(image)))
    for check in (*toolkit.checks, *(["wayland"] if toolkit.wayland else [])):
        if check in chosen:
            python = (f"/tmp/{environment}/bin/python", "-m", "probe")
            expected = _ask(session, session.desktop, python, check)
            machine = session.desktop if check in _NEEDING_A_DESKTOP else session.bare
            found = _ask(session, machine, (f"/tmp/images/{image.name}",), check)
            for side, answer in (("environment", expected), ("image", found)):
                if answer.picture:
                    path = session.desktop.path(f"pictures/{suite}-{file_name}-{check}-{side}.png")
                    path.parent.mkdir(exist_ok=True)
                    path.write_bytes(answer.picture.to_png())
            yield check, Comparison(expected.words, expected.difference(found))


def _complaints(image: Path) -> list[str]:
    """Return what desktop-file-validate, AppStream and libappimage have against an image."""
    with tempfile.TemporaryDirectory() as temporary:
        tree = unpack(image, Path(temporary))
        (entry,) = tree.glob("*.desktop")
        said = [*complaints_of_validator(entry), *complaints_of_appstream(tree)]
        registered = register(image, Path(temporary))
    wanted = {"refused": False, "failed": False, "registered": True, "thumbnail": True}
    return said if registered == wanted else [*said, f"libappimage says {registered}"]


def _ask(session: Session, machine: DesktopMachine, command: Sequence[str], check: str) -> Answer:
    display = session.wayland if check == "wayland" else session.display.variables
    argument = "window" if check == "wayland" else check
    answer_of = CHECKS[check][1]
    if answer_of is None:
        raise AssertionError(check)
    with machine.start([*command, argument], {**session.variables, **display}) as process:
        application = Application(process)
        try:
            return answer_of(session, application)
        except (RuntimeError, subprocess.SubprocessError) as error:
            return Answer(f"{type(error).__name__}: {error}", is_failure=True)
        finally:
            process.kill()


_LEGEND = {
    "window": "a window with text and controls of the toolkit",
    "keys": "`a`, a dead acute accent and `e`, which give `aé`",
    "clipboard": "a text for another program, and one from it",
    "dialogue": "the toolkit's dialogue to open a file",
    "printers": "the queues of a local CUPS, the default one and its description",
    "tls": "a request that fails, as its authority is unknown, and one that knows the authority",
    "sound": "the frames or the length of a WAV file",
    "menu": "`desktop-file-validate` and `appstreamcli validate-tree` have no complaint, and libappimage registers the "
    "image with a picture; instead of a virtual environment, this is compared with nothing",
    "web": "the title and text of a page of a local server, whose authority is in the user's NSS database",
    "helper": '`pkexec "$APPIMAGE" --helper`, with a rule of polkit that needs no password: who the helper is, its '
    "variables beside those of images, its directory, and a file that only root may read; polkit is where the virtual "
    "environment is, so the image runs there, too",
}


def _page(results: Mapping[tuple[str, str, str], Comparison], shared: Path) -> str:
    """Return the page of the documentation."""
    suites = list(dict.fromkeys(suite for _, _, suite in results))
    pairs = dict.fromkeys((toolkit, check) for toolkit, check, _ in results)
    cells = {pair: [_cell(results.get((*pair, suite))) for suite in suites] for pair in pairs}
    rows = [f"| {toolkit} | {CHECKS[check][0]} | {' | '.join(cells[toolkit, check])} |" for toolkit, check in pairs]
    legend = [
        f"- {CHECKS[name][0]}: {text}" for name, text in _LEGEND.items() if any(name == pair[1] for pair in pairs)
    ]
    return (
        (SUPPORT / "desktop-page.md")
        .read_text(encoding="utf-8")
        .format(
            machine=platform.freedesktop_os_release()["PRETTY_NAME"],
            python=platform.python_version(),
            date=datetime.now(tz=timezone.utc).date().isoformat(),
            share=SHARE,
            tolerance=TOLERANCE,
            suites=" | ".join(SUITES[suite] for suite in suites),
            rules=" | ".join("---" for _ in suites),
            rows="\n".join(rows),
            legend="\n".join([*legend, ""]),
            missing=_missing(pairs),
            versions=", ".join(_versions(shared, dict.fromkeys(toolkit for toolkit, _ in pairs))),
        )
    )


def _cell(result: Comparison | None) -> str:
    return "not compared" if result is None else result.difference.replace("|", "\\|") or "the same"


def _missing(pairs: Collection[tuple[str, str]]) -> str:
    """Return a sentence about what the command can compare and has not."""
    names = []
    for name, toolkit in TOOLKITS.items():
        left = [CHECKS[check][0] for check in toolkit.checks if (name, check) not in pairs]
        if left:
            names.append(name if len(left) == len(toolkit.checks) else f"{name} ({', '.join(left)})")
    return f"The command can compare these, too, and has not done so yet: {', '.join(names)}." if names else ""


def _versions(shared: Path, toolkits: Iterable[str]) -> Iterator[str]:
    """Yield the toolkits that come from the index, with their versions."""
    for toolkit in toolkits:
        pattern = f"venvs/*/{_file_name(toolkit)}/lib/python*/site-packages/*.dist-info"
        found = [path.stem for path in shared.glob(pattern)]
        for requirement in TOOLKITS[toolkit].requirements:
            name = requirement.partition("[")[0]
            prefix = name.lower().replace("-", "_") + "-"
            versions = {stem[len(prefix) :] for stem in found if stem.lower().startswith(prefix)}
            yield f"{name} {' and '.join(sorted(versions))}"


def _file_name(toolkit: str) -> str:
    return toolkit.lower().replace(" ", "-")


if __name__ == "__main__":
    sys.exit(main())
