# SPDX-License-Identifier: MIT
"""The image's software bill of materials, in CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/)."""

from __future__ import annotations

from datetime import datetime, timezone
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from cyclonedx.contrib.hash.factories import HashTypeFactory
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.exception import CycloneDxException
from cyclonedx.model import ExternalReference, ExternalReferenceType, Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.utils import canonicalize_name

from hatch_appimage.libraries.debian import licence_copy
from hatch_appimage.libraries.licences import read_licences
from hatch_appimage.packages.lock import source_of
from hatch_appimage.packages.requirements import requirements_of
from hatch_appimage.python.installed import installed_distributions, name_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from importlib.metadata import Distribution

    from cyclonedx.model.license import License
    from packaging.markers import Environment
    from packaging.pylock import Package
    from packaging.requirements import Requirement

    from hatch_appimage.layout import AppDir
    from hatch_appimage.libraries.bundle import BundledLibrary, Libraries
    from hatch_appimage.packages.install import Installation
    from hatch_appimage.project.metadata import Project
    from hatch_appimage.python import BundledPython

# Some projects have the whole text of their licence where its name belongs.
_MAX_LICENCE = 100
# Its own is PSF-2.0; with those of the releases before, all of which it keeps, they have one name (https://spdx.org).
_PYTHON_LICENCE = "Python-2.0.1"


def write_sbom(
    appdir: AppDir,
    project: Project,
    python: BundledPython,
    installation: Installation,
    libraries: Libraries,
    *,
    timestamp: int | None,
) -> str:
    """Return the document as JSON; the same image has the same one.

    Args:
        appdir: the tree, with everything in it.
        project: what the image is of.
        python: the one inside.
        installation: the packages.
        libraries: those of the build machine that were bundled.
        timestamp: of the image, in seconds since the epoch; None for none.

    """
    sources: dict[str, Package] = {source.name: source for source in installation.sources}
    distributions: dict[str, Distribution] = {name_of(found): found for found in installed_distributions(python)}
    components = {name: _package(found, sources.get(name)) for name, found in distributions.items()}
    name = canonicalize_name(project.name)
    application = components[name]
    application.type = ComponentType.APPLICATION
    interpreter = _interpreter(python)
    bundled = [_library(appdir, library) for library in libraries.bundled]
    fetched = _fetched(libraries)

    parts = [component for component in components.values() if component is not application]
    bom = Bom(components=[*parts, interpreter, *bundled, *fetched.values()], serial_number=UUID(int=0))
    bom.metadata.component = application
    bom.metadata.timestamp = None if timestamp is None else datetime.fromtimestamp(timestamp, timezone.utc)  # type: ignore[assignment] # None is written as none
    graph = _graph(distributions, installation.requirements, name, installation.environment)
    bom.register_dependency(application, [interpreter, *bundled])
    for component, library in zip(bundled, libraries.bundled, strict=True):
        if library.package in fetched:
            bom.register_dependency(component, [fetched[library.package]])
    for needing, needed in graph.items():
        bom.register_dependency(components[needing], [components[it] for it in sorted(needed)])
    bom.serial_number = uuid5(bom.serial_number, _text(bom))
    return _text(bom)


def _text(bom: Bom) -> str:
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _package(distribution: Distribution, locked: Package | None) -> Component:
    name = name_of(distribution)
    source = source_of(locked) if locked else None
    url = getattr(source, "url", None)
    hashes = getattr(source, "hashes", {})
    version = distribution.version
    return Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=version,
        bom_ref=f"{name}=={version}",
        description=_field(distribution, "Summary"),
        licenses=_licences(distribution),
        # The project itself, and what comes from a directory, need not be what the package index has by this name.
        purl=PackageURL("pypi", None, name, version) if locked and (locked.wheels or locked.sdist) else None,
        hashes=[HashTypeFactory().from_hashlib_alg(algorithm, digest) for algorithm, digest in hashes.items()],
        external_references=[ExternalReference(type=_reference_type(locked), url=XsUri(url))] if url else (),
    )


def _reference_type(locked: Package | None) -> ExternalReferenceType:
    return ExternalReferenceType.VCS if locked and locked.vcs else ExternalReferenceType.DISTRIBUTION


def _licences(distribution: Distribution) -> list[License]:
    text = _field(distribution, "License-Expression") or _field(distribution, "License")
    if not text or "\n" in text or len(text) > _MAX_LICENCE:
        classifiers = (it.split(" :: ") for it in distribution.metadata.get_all("Classifier") or ())
        return [LicenseFactory().make_with_name(name) for topic, *_, name in classifiers if topic == "License"]
    try:
        return [LicenseFactory().make_from_string(text)]
    except CycloneDxException:
        return [LicenseFactory().make_with_name(text)]


def _field(distribution: Distribution, name: str) -> str | None:
    return next(iter(distribution.metadata.get_all(name) or ()), None)


def _interpreter(python: BundledPython) -> Component:
    version = python.version.removesuffix("+")
    return Component(
        type=ComponentType.PLATFORM,
        name="cpython",
        version=version,
        bom_ref=f"cpython=={version}",
        licenses=[LicenseFactory().make_from_string(_PYTHON_LICENCE)],
        cpe=f"cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*",
        purl=PackageURL("generic", None, "python", version),
    )


def _library(appdir: AppDir, library: BundledLibrary) -> Component:
    digest = sha256((appdir.lib / library.soname).read_bytes()).hexdigest()
    licence = licence_copy(library.package, appdir) if library.package else None
    if licence and not licence.is_file():
        licence = None
    origin = {
        "debian-package": library.package,
        "debian-package-version": library.version,
        "debian-package-sha256": library.digest,
        "licence-file": str(licence.relative_to(appdir.root)) if licence else None,
    }
    return Component(
        type=ComponentType.LIBRARY,
        name=library.soname,
        bom_ref=library.soname,
        licenses=[LicenseFactory().make_with_name(name) for name in (read_licences(licence) if licence else ())],
        hashes=[HashTypeFactory().from_hashlib_alg("sha256", digest)],
        properties=[Property(name=f"hatch-appimage:{name}", value=value) for name, value in origin.items() if value],
    )


def _fetched(libraries: Libraries) -> dict[str, Component]:
    """Return the packages, by their names, that something in the image was fetched from."""
    used = {*libraries.data_packages, *(library.package for library in libraries.bundled)}
    distribution, _, release = libraries.fetched.system.partition(":")
    return {
        package.name: Component(
            type=ComponentType.LIBRARY,
            name=package.name,
            version=package.version,
            bom_ref=f"{package.name}={package.version}",
            licenses=[LicenseFactory().make_with_name(name) for name in package.licences],
            # https://github.com/package-url/purl-spec, type "deb"
            purl=PackageURL(
                "deb",
                distribution,
                package.name,
                package.version,
                {"arch": package.architecture, "distro": f"{distribution}-{release}"},
            ),
            hashes=[HashTypeFactory().from_hashlib_alg("sha256", package.sha256)],
        )
        for package in libraries.fetched.packages
        if package.name in used
    }


def _graph(
    distributions: Mapping[str, Distribution], roots: Iterable[Requirement], project: str, environment: Environment
) -> dict[str, set[str]]:
    """Return which installed packages each one needs; those that nobody asks for are needed by the project."""
    graph: dict[str, set[str]] = {name: set() for name in distributions}
    pending = [(project, requirement) for requirement in roots]
    # What a dependency group has installed needs something, too.
    asked = _follow(pending, graph, distributions, environment)
    rest = sorted(distributions.keys() - asked - {project})
    pending = [(name, it) for name in rest for it in requirements_of(distributions[name], (), environment)]
    needed = _follow(pending, graph, distributions, environment)
    graph[project].update(name for name in rest if name not in needed)
    for name in rest:  # what is left needs itself, by way of others
        if name not in _reached(graph, project):
            graph[project].add(name)
    return graph


def _follow(
    pending: list[tuple[str, Requirement]],
    graph: dict[str, set[str]],
    distributions: Mapping[str, Distribution],
    environment: Environment,
) -> set[str]:
    """Enter requirements, and all that they lead to, into a graph; return what is required."""
    seen: set[tuple[str, str]] = set()
    required: set[str] = set()
    while pending:
        needing, requirement = pending.pop()
        name = canonicalize_name(requirement.name)
        if name not in distributions or (needing, str(requirement)) in seen:
            continue
        seen.add((needing, str(requirement)))
        required.add(name)
        if name != needing:
            graph[needing].add(name)
        further = requirements_of(distributions[name], requirement.extras, environment)
        pending += [(name, requirement) for requirement in further]
    return required


def _reached(graph: Mapping[str, set[str]], start: str) -> set[str]:
    """Return where a graph leads to."""
    reached = {start}
    pending = [start]
    while pending:
        further = graph[pending.pop()] - reached
        reached |= further
        pending += further
    return reached
