# SPDX-License-Identifier: MIT
"""What an image says of itself: a lock file that installs the same packages again, an SBOM, and how to rebuild it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from packaging.markers import Marker
from packaging.specifiers import SpecifierSet

from hatch_appimage.libraries.lock import format_lock
from hatch_appimage.packages.build_record import BuildRecord, PythonRecord, tool_versions
from hatch_appimage.packages.lock import write_pylock
from hatch_appimage.redact import redact

if TYPE_CHECKING:
    from packaging.pylock import Package

    from hatch_appimage.architecture import Architecture
    from hatch_appimage.layout import AppDir
    from hatch_appimage.libraries.bundle import Libraries
    from hatch_appimage.packages.build_record import Declaration
    from hatch_appimage.packages.install import Installation
    from hatch_appimage.project.metadata import Project
    from hatch_appimage.python import BundledPython, PythonInstallation


@dataclass(frozen=True)
class Provenance:
    """Files that say what an image is made of.

    Attributes:
        pylock: the lock file (PEP 751), below the AppDir.
        sbom: the CycloneDX document, below the AppDir.
        build_record: what a rebuild needs to know, below the AppDir.
        library_lock: the lock of the packages that libraries were fetched from, below the AppDir; None for none.

    """

    pylock: str
    sbom: str
    build_record: str
    library_lock: str | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(file for file in (self.pylock, self.library_lock, self.sbom, self.build_record) if file)


def write_provenance(
    appdir: AppDir,
    project: Project,
    python: BundledPython,
    installation: Installation,
    libraries: Libraries,
    *,
    architecture: Architecture,
    declaration: Declaration,
    origin: PythonInstallation,
) -> Provenance:
    """Write down what was installed.

    Args:
        appdir: where to, below the share directory of the application.
        project: what the image is of.
        python: the one inside.
        installation: the packages.
        libraries: those of the build machine that were bundled, and what was fetched for it.
        architecture: of the image.
        declaration: what somebody decided about the build.
        origin: the Python that the one inside was copied from.

    """
    from hatch_appimage.packages.sbom import write_sbom  # noqa: PLC0415 - CycloneDX takes long to load: see pipeline

    appdir.pylock.parent.mkdir(parents=True, exist_ok=True)
    locked = [_portable(package, project.root) for package in installation.sources]
    environment = installation.environment
    where = (
        f"implementation_name == '{environment['implementation_name']}' and "
        f"sys_platform == '{environment['sys_platform']}' and platform_machine == '{environment['platform_machine']}'"
    )
    text = write_pylock(
        locked,
        environments=[Marker(where)],
        requires_python=SpecifierSet(f"=={environment['python_version']}.*"),
    )
    appdir.pylock.write_text(text, encoding="utf-8")
    appdir.sbom.write_text(
        write_sbom(
            appdir,
            project,
            python,
            replace(installation, sources=tuple(locked)),
            libraries,
            timestamp=declaration.seconds,
        ),
        encoding="utf-8",
    )
    record = BuildRecord(
        architecture=architecture.name,
        declaration=declaration,
        python=PythonRecord.of(origin),
        tools=tool_versions(),
        build_tools=dict(sorted(installation.build_tools.items())),
    )
    appdir.build_record.write_text(record.to_json(), encoding="utf-8")
    files = [appdir.pylock, appdir.sbom, appdir.build_record]
    if libraries.fetched.packages:
        appdir.library_lock.write_text(format_lock({architecture.name: libraries.fetched}), encoding="utf-8")
        files.append(appdir.library_lock)
    return Provenance(*(str(file.relative_to(appdir.root)) for file in files))


def _portable(package: Package, root: Path) -> Package:
    """Return a package whose sources name neither a directory of this machine nor a password."""

    def portable(source: Any) -> Any:  # a dataclass of `packaging.pylock`: all of them have a path, most an address
        if source is None:
            return None
        url = getattr(source, "url", None)
        if url and urlsplit(url).scheme == "file":
            return replace(source, url=None, path=_relative(Path(unquote(urlsplit(url).path)), root))
        if source.path:
            return replace(source, path=_relative(Path(source.path), root))
        return replace(source, url=redact(source.url))

    index = package.index if package.index and urlsplit(package.index).scheme != "file" else None
    return replace(
        package,
        index=redact(index) if index else None,
        vcs=portable(package.vcs),
        directory=portable(package.directory),
        archive=portable(package.archive),
        sdist=portable(package.sdist),
        wheels=[portable(wheel) for wheel in package.wheels] if package.wheels else None,
    )


def _relative(path: Path, root: Path) -> str:
    """Return a path for a lock that lies in the project's directory; what lies elsewhere is to be put beside it."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
