# SPDX-License-Identifier: MIT
"""Packers, ours and its peers: how each builds a test project, as its documentation recommends.

Everything comes from the package index and from Debian. appimagetool and the runtimes of its releases are in neither,
so that AppImageKit's (in a wheel) and ours stand for them; each packer's ``how`` says where.
"""

from __future__ import annotations

import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from apps import ROOT
from hatch_appimage.runtime import runtime_path
from images import APPIMAGEKIT, APPIMAGETOOL, join, pack_command
from reference import fetch_appimagetool, fetch_reference
from workplace import Product, base_python, uv_cache

if TYPE_CHECKING:
    from collections.abc import Callable

    from workplace import Workplace

# Debian's packages that peers and the test projects need.
PACKAGES = (
    "binutils",
    "desktop-file-utils",
    "file",
    "fuse3",
    "libfuse2",
    "libwayland-cursor0",
    "libwayland-egl1",
    "libxcb-cursor0",
    "libxcb-icccm4",
    "libxcb-image0",
    "libxcb-keysyms1",
    "libxcb-render-util0",
    "libxkbcommon-x11-0",
    "squashfs-tools",
)

# Options of ours that make small images, whatever they cost.
SMALL = ("compression=small", "bytecode=only", "strip=all")


@dataclass(frozen=True)
class Packer:
    """A way to make something that runs of a project.

    Attributes:
        name: as it is printed.
        how: what it is given, for the page.
        requirements: what its environment gets from the index.
        find: tells where the result is.
        pack: makes the result, and makes it again after a change of the project.
        prepare: makes what is there before the first build, such as its configuration.
        install: puts what it freezes into its environment, a part of the first build; None if packing does that.
        benchmarks: in which it is compared.

    """

    name: str
    how: str
    requirements: tuple[str, ...]
    find: Callable[[Workplace], Product]
    pack: Callable[[Workplace], None]
    prepare: Callable[[Workplace], None] | None = None
    install: Callable[[Workplace], None] | None = None
    benchmarks: tuple[str, ...] = ("size", "startup", "build")

    def set_up(self, workplace: Workplace) -> None:
        """Make everything that is there before the first build.

        Raises:
            PackerError: it cannot be installed.

        """
        workplace.set_up(self.requirements)
        if self.prepare:
            self.prepare(workplace)

    def build(self, workplace: Workplace) -> None:
        """Build for the first time.

        Raises:
            PackerError: the build fails.

        """
        if self.install:
            self.install(workplace)
        self.pack(workplace)


def require_packages() -> None:
    """See that Debian's packages are there, on a Debian machine, and that it is one that peers' tools are for.

    Raises:
        SystemExit: with the names of those that are missing.

    """
    if platform.machine() != "x86_64":
        raise SystemExit(f"The peers' tools are for x86_64, and this machine is {platform.machine()}")
    if shutil.which("dpkg-query") is None:
        return
    # Debian 13 has some under another name, such as libfuse2t64.
    names = [*PACKAGES, *(f"{package}t64" for package in PACKAGES)]
    command = ["dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Package}\n", *names]
    lines = subprocess.run(command, check=False, capture_output=True, text=True).stdout.splitlines()
    installed = {line.split()[1].removesuffix("t64") for line in lines if line.startswith("installed ")}
    if missing := [package for package in PACKAGES if package not in installed]:
        raise SystemExit(f"Missing Debian packages: {' '.join(missing)}")


def _image(workplace: Workplace) -> Path:
    """Where those packers write whose result we name."""
    return workplace.work / f"{workplace.app.project}.AppImage"


def _shared(workplace: Workplace, name: str, make: Callable[[Path], object]) -> Path:
    """Return what several packers use, and make it first where it is not there."""
    path = workplace.shared / name
    if not path.exists():
        workplace.shared.mkdir(exist_ok=True)
        make(path)
    return path


def _reference(workplace: Workplace) -> Path:
    return _shared(workplace, "runtime", fetch_reference)


def _our_runtime() -> Path:
    return runtime_path(platform.machine())


def _install_project(workplace: Workplace) -> None:
    """Install a project such that a change of its source needs no new installation."""
    workplace.install("--editable", workplace.project)


# The environment that all starts are compared with.


def _install_compiled(workplace: Workplace) -> None:
    workplace.install("--compile-bytecode", workplace.project)


def _find_script(workplace: Workplace) -> Product:
    return Product(workplace.program(workplace.app.command))


# Ours.


def _build_ours(workplace: Workplace) -> None:
    command: list[str | Path] = ["env", "-C", workplace.project, sys.executable, "-m", "hatchling", "build"]
    _run_ours(workplace, [*command, "--directory", workplace.work / "dist", "-t", "appimage"])


def _build_ours_small(workplace: Workplace) -> None:
    command: list[str | Path] = [Path(sys.executable).with_name("hatch-appimage"), "build", workplace.project]
    options = [part for option in SMALL for part in ("--set", option)]
    _run_ours(workplace, [*command, "--output", workplace.work / "dist", *options])


def _run_ours(workplace: Workplace, command: list[str | Path]) -> None:
    settings = {
        "PYTHONPATH": str(ROOT),
        "XDG_CACHE_HOME": str(workplace.directory / "cache"),
        "UV_CACHE_DIR": uv_cache(),
    }
    workplace.run(command, settings)


def _find_dist(workplace: Workplace) -> Product:
    (image,) = (workplace.work / "dist").glob("*.AppImage")
    return Product(image, image)


# cx_Freeze.


def _prepare_cx_freeze(workplace: Workplace) -> None:
    _write_main(workplace)
    app = workplace.app
    (workplace.work / "pyproject.toml").write_text(
        f"""\
[project]
name = "{app.project}"
version = "1.0"

[tool.cxfreeze]
executables = [{{ script = "main.py", target_name = "{app.command}" }}]

[tool.cxfreeze.build_exe]
packages = ["{app.package}"]
"""
    )
    _appimagetool(workplace)
    _reference(workplace)


def _write_main(workplace: Workplace) -> None:
    (workplace.work / "main.py").write_text(workplace.app.main)


def _appimagetool(workplace: Workplace) -> Path:
    return _shared(workplace, "appimagetool", fetch_appimagetool) / "AppRun"


def _freeze(workplace: Workplace) -> None:
    tools: list[str | Path] = ["--appimagetool", _appimagetool(workplace), "--runtime-file", _reference(workplace)]
    workplace.run([workplace.program("cxfreeze"), "bdist_appimage", *tools])


def _freeze_for_our_runtime(workplace: Workplace) -> None:
    _freeze(workplace)
    (appdir,) = (workplace.work / "build").glob("**/AppDir")
    _pack(workplace, appdir, _our_runtime(), *APPIMAGETOOL)


def _pack(workplace: Workplace, appdir: Path, runtime: Path, *options: str) -> None:
    """Pack an AppDir with mksquashfs behind a runtime."""
    squashfs = workplace.work / "squashfs"
    workplace.run(pack_command(appdir, squashfs, *options))
    join(runtime, squashfs, _image(workplace))
    squashfs.unlink()


def _find_image(workplace: Workplace) -> Product:
    return Product(_image(workplace), _image(workplace))


# appimage, the package.


def _prepare_appimage(workplace: Workplace) -> None:
    python = _shared(workplace, "python", _make_standalone)
    with (workplace.project / "pyproject.toml").open("a") as file:
        file.write(f'\n[tool.appimage]\npython_dir = "{python}"\n')


def _make_standalone(python: Path) -> None:
    """Make what python-build-standalone has: a relocatable Python with pip and without compiled modules."""
    copy_python(python)
    command: list[str | Path] = [python / "bin" / "python3", "-m", "ensurepip", "--default-pip"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for directory in list(python.rglob("__pycache__")):
        shutil.rmtree(directory)


def copy_python(prefix: Path) -> None:
    """Copy the Python that runs this, without the packages that are installed in it."""
    version = sysconfig.get_python_version()
    (prefix / "bin").mkdir(parents=True)
    shutil.copy2(base_python(), prefix / "bin" / f"python{version}")
    (prefix / "bin" / "python3").symlink_to(f"python{version}")
    ignored = shutil.ignore_patterns("site-packages", "dist-packages")
    shutil.copytree(sysconfig.get_path("stdlib"), prefix / "lib" / f"python{version}", symlinks=True, ignore=ignored)
    library = Path(sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME"))
    if sysconfig.get_config_var("Py_ENABLE_SHARED") and library.exists():
        shutil.copy2(library, prefix / "lib")


def _build_appimage(workplace: Workplace) -> None:
    names = ["--app", workplace.app.project, "--entry-point", workplace.app.command]
    place: list[str | Path] = ["--project-dir", workplace.project, "--python", sysconfig.get_python_version()]
    workplace.run([workplace.program("python"), "-m", "appimage.ctl", "build-appdir", *names, *place])
    (appdir,) = workplace.project.glob("**/AppDir")
    # What its command `build` has appimagetool add.
    options = (*APPIMAGETOOL, "-no-xattrs", "-no-duplicates", "-processors", "1")
    _pack(workplace, appdir, _our_runtime(), *options)


# The recipe of the guides.


def _follow_guides(workplace: Workplace) -> None:
    app, appdir = workplace.app, workplace.work / "AppDir"
    shutil.rmtree(appdir, ignore_errors=True)
    copy_python(appdir / "usr")
    workplace.run([workplace.program("python"), "-m", "pip", "install", "--prefix", appdir / "usr", workplace.project])
    run = appdir / "AppRun"
    run.write_text(
        f"""\
#!/bin/sh
APPDIR="$(dirname "$(readlink -f "$0")")"
export PYTHONHOME="$APPDIR/usr"
export LD_LIBRARY_PATH="$APPDIR/usr/lib${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"
exec "$APPDIR/usr/bin/python3" -c {shlex.quote(_call(app.entry_point))} "$@"
"""
    )
    run.chmod(0o755)
    entry = f"[Desktop Entry]\nType=Application\nName={app.project}\nExec=AppRun\nIcon={app.project}\n"
    (appdir / f"{app.project}.desktop").write_text(entry + "Categories=Utility;\nTerminal=true\n")
    (appdir / f"{app.project}.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>\n')
    _pack(workplace, appdir, _reference(workplace), *APPIMAGEKIT)


def _call(entry_point: str) -> str:
    module, function = entry_point.split(":")
    return f"import sys; from {module} import {function}; sys.exit({function}())"


def _prepare_guides(workplace: Workplace) -> None:
    _reference(workplace)


# PyInstaller.


def _run_pyinstaller(workplace: Workplace, kind: str) -> None:
    app = workplace.app
    options = ["--noconfirm", kind, "--name", app.command, "--collect-data", app.package, "main.py"]
    settings = {"PYINSTALLER_CONFIG_DIR": str(workplace.directory / "cache")}
    workplace.run([workplace.program("pyinstaller"), *options], settings)


def _build_one_file(workplace: Workplace) -> None:
    _run_pyinstaller(workplace, "--onefile")


def _find_one_file(workplace: Workplace) -> Product:
    program = workplace.work / "dist" / workplace.app.command
    return Product(program, program)


def _build_one_dir(workplace: Workplace) -> None:
    _run_pyinstaller(workplace, "--onedir")


def _find_one_dir(workplace: Workplace) -> Product:
    tree = workplace.work / "dist" / workplace.app.command
    return Product(tree / workplace.app.command, tree=tree)


# Those that need a Python on the target system.


def _build_pex(workplace: Workplace) -> None:
    options: list[str | Path] = ["--console-script", workplace.app.command, "--output-file", _zipapp(workplace)]
    settings = {"PEX_ROOT": str(workplace.directory / "cache")}
    command: list[str | Path] = [workplace.program("pex"), workplace.project, *options, "--venv", "--sh-boot"]
    workplace.run(command, settings)


def _zipapp(workplace: Workplace) -> Path:
    return workplace.work / f"{workplace.app.command}.pyz"


def _build_shiv(workplace: Workplace) -> None:
    options: list[str | Path] = ["--console-script", workplace.app.command, "--output-file", _zipapp(workplace)]
    workplace.run([workplace.program("shiv"), *options, "--compile-pyc", workplace.project])


def _find_zipapp(workplace: Workplace) -> Product:
    unpacked = str(workplace.directory / "unpacked")
    # They take the first Python on PATH; the packer's environment has the one that everybody else has.
    settings = {
        "PATH": f"{workplace.environment / 'bin'}:/usr/bin:/bin",
        "PEX_ROOT": unpacked,
        "SHIV_ROOT": unpacked,
    }
    return Product(_zipapp(workplace), _zipapp(workplace), settings=settings)


BASE = Packer(
    "virtual environment",
    "what starts are compared with: the project installed by uv, with bytecode compiled",
    (),
    _find_script,
    lambda _: None,
    install=_install_compiled,
    benchmarks=("startup",),
)
OURS = Packer(
    "hatch-appimage",
    "`hatchling build -t appimage` with no option set",
    (),
    _find_dist,
    _build_ours,
)
OURS_SMALL = Packer(
    "hatch-appimage, small",
    f"`hatch-appimage build` with {', '.join(f'`{option}`' for option in SMALL)}",
    (),
    _find_dist,
    _build_ours_small,
    benchmarks=("size", "startup"),
)
CX_FREEZE = Packer(
    "cx_Freeze",
    "`cxfreeze bdist_appimage`, with `appimagetool` and `runtime-file` of AppImageKit (gzip, libfuse2)",
    ("cx_Freeze",),
    _find_dist,
    _freeze,
    _prepare_cx_freeze,
    _install_project,
)
PACKERS = (
    OURS,
    OURS_SMALL,
    CX_FREEZE,
    Packer(
        "cx_Freeze, zstd",
        "its AppDir, packed by mksquashfs with the options of appimagetool 1.9 (zstd), behind our runtime",
        ("cx_Freeze",),
        _find_image,
        _freeze_for_our_runtime,
        _prepare_cx_freeze,
        _install_project,
        benchmarks=("size", "startup"),
    ),
    Packer(
        "PyInstaller, one file",
        "`pyinstaller --onefile --collect-data`",
        ("pyinstaller",),
        _find_one_file,
        _build_one_file,
        _write_main,
        _install_project,
    ),
    Packer(
        "PyInstaller, one directory",
        "`pyinstaller --onedir --collect-data`; not one file",
        ("pyinstaller",),
        _find_one_dir,
        _build_one_dir,
        _write_main,
        _install_project,
        benchmarks=("size", "startup"),
    ),
    Packer(
        "appimage",
        "`python -m appimage.ctl build-appdir` with `python_dir`, a copy of the same Python without compiled modules, "
        "as python-build-standalone has none; packed by mksquashfs with the options that `appimage.ctl build` and "
        "appimagetool 1.9 give it, behind our runtime, as `appimage.ctl build` refuses AppImageKit's appimagetool",
        ("appimage",),
        _find_image,
        _build_appimage,
        _prepare_appimage,
    ),
    Packer(
        "guides' recipe",
        "a copy of the whole Python, `pip install --prefix`, an AppRun that sets `PYTHONHOME`, mksquashfs, and "
        "AppImageKit's runtime (gzip, libfuse2)",
        ("pip",),
        _find_image,
        _follow_guides,
        _prepare_guides,
    ),
    Packer(
        "pex",
        "`pex --venv --sh-boot`; needs a Python on the target system",
        ("pex",),
        _find_zipapp,
        _build_pex,
        benchmarks=("size", "startup"),
    ),
    Packer(
        "shiv",
        "`shiv --compile-pyc`; needs a Python on the target system",
        ("shiv",),
        _find_zipapp,
        _build_shiv,
        benchmarks=("size", "startup"),
    ),
)
# Why no figures of others are there.
LEFT_OUT = {
    "python-appimage, pyproject-appimage": "take their base images and tools from GitHub's releases, which a package "
    "index has not",
    "linuxdeploy-plugin-python, appimage-builder": "their last releases are of 2022",
    "Nuitka": "not measured yet; it compiles a project to a program",
}
