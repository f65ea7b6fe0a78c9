# SPDX-License-Identifier: MIT
"""What a build would make, told without building."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hatch_appimage.elf import read_elf
from hatch_appimage.libraries.symbol_versions import find_required_version
from hatch_appimage.redact import redact

if TYPE_CHECKING:
    from hatch_appimage.appdir.icon import Icon
    from hatch_appimage.builder import BuildInputs
    from hatch_appimage.libraries.symbol_versions import RequiredVersion
    from hatch_appimage.project.entry_points import EntryPoint
    from hatch_appimage.project.metadata import Project
    from hatch_appimage.python import PythonInstallation


def describe(prepared: BuildInputs, project: Project) -> str:
    """Return as text what the image of one architecture would be."""
    config = prepared.config
    entry_point = config.entry_point
    glibc = version_for_python(prepared.python)
    lines = [
        prepared.file_name,
        f"  name       {config.name} {project.version}",
        f"  starts     {entry_point.command} ({_call(entry_point)})",
        f"  python     {prepared.python.version} at {prepared.python.source}",
        f"  needs      glibc {glibc} or newer for Python; packages and libraries may need more",
        f"  lock       {config.lock or 'none'}",
        f"  runtime    {prepared.runtime.origin}",
        f"  icon       {_icon(config.icon)}",
        f"  updates    {prepared.update_information or 'none'}",
        f"  signed     {f'by {prepared.signer.fingerprint}' if prepared.signer else 'no'}",
    ]
    return redact("\n".join(lines))


def _call(entry_point: EntryPoint) -> str:
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
