# SPDX-License-Identifier: MIT
"""What a build would make, told without building."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_appimage.elf import read_elf
from hatch_appimage.libraries.symbol_versions import find_required_version
from hatch_appimage.redact import redact
from hatch_appimage.report import describe as describe_result
from hatch_appimage.text import format_size

if TYPE_CHECKING:
    from hatch_appimage.desktop.icon import Icon
    from hatch_appimage.inputs import BuildInputs
    from hatch_appimage.libraries.bundle import Libraries
    from hatch_appimage.libraries.symbol_versions import RequiredVersion
    from hatch_appimage.project.entry_points import EntryPoint
    from hatch_appimage.python import PythonInstallation


def describe(inputs: BuildInputs, libraries: Libraries | None = None) -> str:
    """Return as text what the image of one architecture would be.

    Args:
        inputs: what it would be built from.
        libraries: what would become of shared libraries, if that has been found out.

    """
    settings, project = inputs.settings, inputs.project
    entry_point = settings.launcher.entry_point
    glibc = version_for_python(inputs.python)
    lines = [
        inputs.file_name,
        f"  name       {settings.image.name} {project.version}",
        f"  starts     {entry_point.command} ({_call(entry_point)})",
        f"  python     {inputs.python.version} at {inputs.python.source}",
        f"  needs      glibc {glibc} or newer for Python; packages and libraries may need more",
        f"  lock       {settings.install.lock or 'none'}",
        *_fetched(inputs, libraries),
        f"  runtime    {inputs.runtime.origin}",
        f"  icon       {_icon(settings.desktop.icon)}",
        f"  updates    {inputs.update_information or 'none'}",
        f"  signed     {f'by {inputs.signer.fingerprint}' if inputs.signer else 'no'}",
    ]
    return redact("\n".join(lines))


def _fetched(inputs: BuildInputs, libraries: Libraries | None) -> list[str]:
    """Say which packages with libraries are fetched, as far as it is known."""
    lock, apt = inputs.library_lock, inputs.apt
    packages = lock.of(inputs.architecture) if lock else libraries.fetched if libraries else None
    if packages is None:
        return [f"  fetched    {'libraries that lack; `--libraries` shows which' if apt else 'no libraries'}"]
    if not packages.packages:
        return ["  fetched    no libraries"]
    origin = f", as {lock} says" if lock else ""
    width = max(len(str(package)) for package in packages.packages)
    return [
        f"  fetched    {describe_result(packages)}{origin}",
        *(f"             {package!s:<{width}}  {format_size(package.size):>8}" for package in packages.packages),
    ]


def _call(entry_point: EntryPoint) -> str:
    if entry_point.program is not None:
        return str(entry_point.program)
    if entry_point.module is None:
        return "a script that is looked for once all is installed"
    if entry_point.attribute is None:
        return f"-m {entry_point.module}"
    return f"{entry_point.module}:{entry_point.attribute}"


def _icon(icon: Icon | None) -> str:
    if icon is None:
        return "a generated one"
    return icon.kind.upper() + (" of {} x {} pixels".format(*icon.size) if icon.size else "")


def version_for_python(python: PythonInstallation) -> RequiredVersion:
    """Return which glibc an interpreter and its standard library need."""
    paths = [python.executable, *python.libdir.glob("libpython3*.so.*"), *python.platstdlib.glob("lib-dynload/*.so")]
    files = {str(path): elf for path in paths if (elf := read_elf(path))}
    return find_required_version(files, "GLIBC")
