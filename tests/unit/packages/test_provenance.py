# SPDX-License-Identifier: MIT
"""What an image says of the packages in it."""

from __future__ import annotations

import json
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.markers import default_environment
from packaging.pylock import Package as LockedPackage
from packaging.pylock import PackageArchive, PackageDirectory, PackageSdist, PackageVcs, PackageWheel, Pylock
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from hatch_appimage.architecture import ARCHITECTURES
from hatch_appimage.layout import AppDir
from hatch_appimage.libraries.bundle import BundledLibrary, Libraries
from hatch_appimage.libraries.debian import licence_copy
from hatch_appimage.libraries.lock import LibraryLock, PinnedPackage, PinnedPackages
from hatch_appimage.packages.build_record import Declaration, Source
from hatch_appimage.packages.install import Installation
from hatch_appimage.packages.provenance import Provenance, write_provenance
from hatch_appimage.project.metadata import Project
from hatch_appimage.python import BundledPython
from hatch_appimage.python.local import ask_python
from support.packages import make_wheel

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Sequence

OTHER = canonicalize_name("other")
HASHES = {"sha256": "ab" * 32}
TIMESTAMP = 1_580_601_600
NOTHING_FETCHED = PinnedPackages()


@pytest.fixture
def appdir(tmp_path: Path) -> AppDir:
    """Return a tree with three packages and a library."""
    appdir = AppDir(tmp_path / "App Dir", "my-app")
    packages = {
        "my_app": ["Summary: An application", "License-Expression: MIT OR Apache-2.0", "Requires-Dist: other[fast]"],
        "other": ["License: BSD", "Requires-Dist: third; extra == 'fast'", "Requires-Dist: gone; os_name == 'nt'"],
        "third": ["Classifier: License :: OSI Approved :: Zope Public License", "License: a\n  whole text"],
        "more": [],
    }
    for name, metadata in packages.items():
        wheel = make_wheel(tmp_path / "wheels", name, {}, metadata=metadata)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(appdir.usr / "site")
    appdir.lib.mkdir()
    (appdir.lib / "libx.so.1").write_bytes(b"x")
    return appdir


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project", "My.App", "1.0", "", "", {}, {}, ())


def record(
    appdir: AppDir,
    project: Project,
    sources: Sequence[LockedPackage] = (),
    timestamp: int | None = TIMESTAMP,
    fetched: PinnedPackages = NOTHING_FETCHED,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write the records and return the lock and the SBOM."""
    python = BundledPython(
        version="3.12.1+",
        executable=appdir.bin / "python3",
        stdlib=appdir.lib,
        site_packages=(appdir.usr / "site",),
        interpreter=Path(sys.executable),
        origin=Path(sys.prefix),
    )
    environment = default_environment()
    environment.update({"python_version": "3.12", "platform_machine": "aarch64"})
    installation = Installation((), tuple(sources), (Requirement("other[fast]"),), environment)
    libraries = Libraries((BundledLibrary("libx.so.1", "/usr/lib/libx.so.1", "libx1", 1),), (), (), (), {}, 0, ())
    libraries = replace(libraries, fetched=fetched, data_packages=("libx-data",))
    architecture = ARCHITECTURES["aarch64"]
    records = write_provenance(
        appdir,
        project,
        python,
        installation,
        libraries,
        architecture=architecture,
        declaration=Declaration(Source("project", "My.App", "1.0"), seconds=timestamp),
        origin=ask_python(Path(sys.executable)),
    )
    locked = "usr/share/my-app/libraries.toml" if fetched.packages else None
    share = "usr/share/my-app"
    assert records == Provenance(f"{share}/pylock.toml", f"{share}/sbom.cdx.json", f"{share}/build.json", locked)
    text = (appdir.root / records.sbom).read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    lock = tomllib.loads((appdir.root / records.pylock).read_text())
    Pylock.from_dict(lock)
    return lock, json.loads(text)


class TestPylock:
    def test_target(self, appdir: AppDir, project: Project) -> None:
        lock, _ = record(appdir, project)
        assert lock["created-by"] == "hatch-appimage"
        assert lock["requires-python"] == "==3.12.*"
        assert lock["environments"] == [
            'implementation_name == "cpython" and sys_platform == "linux" and platform_machine == "aarch64"'
        ]

    def test_names_neither_directories_nor_passwords(self, appdir: AppDir, project: Project) -> None:
        root = project.root
        wheel, sdist = "other-1.0-py3-none-any.whl", "other-1.0.tar.gz"
        version = Version("1.0")
        sources = [
            LockedPackage(
                name=OTHER,
                version=version,
                index="https://me:secret@example.com/simple",
                wheels=[PackageWheel(url=f"https://me:secret@example.com/{wheel}", hashes=HASHES)],
            ),
            LockedPackage(
                name=OTHER,
                version=version,
                index="file:///srv/index",
                wheels=[PackageWheel(url=f"file:///srv/a%20b/{wheel}", hashes=HASHES)],
            ),
            LockedPackage(
                name=OTHER, version=version, sdist=PackageSdist(path=f"{root}/vendor/{sdist}", hashes=HASHES)
            ),
            LockedPackage(name=OTHER, archive=PackageArchive(path=f"/srv/{sdist}", hashes=HASHES)),
            LockedPackage(name=OTHER, directory=PackageDirectory(path=str(root / "libs" / "other"))),
            LockedPackage(
                name=OTHER,
                vcs=PackageVcs(type="git", url="https://me:secret@example.com/other.git", commit_id="0" * 40),
            ),
        ]
        lock, sbom = record(appdir, project, sources)
        assert lock["packages"] == [
            {
                "name": "other",
                "version": "1.0",
                "index": "https://example.com/simple",
                "wheels": [{"url": f"https://example.com/{wheel}", "hashes": HASHES}],
            },
            {"name": "other", "version": "1.0", "wheels": [{"path": wheel, "hashes": HASHES}]},
            {"name": "other", "version": "1.0", "sdist": {"path": f"vendor/{sdist}", "hashes": HASHES}},
            {"name": "other", "archive": {"path": sdist, "hashes": HASHES}},
            {"name": "other", "directory": {"path": "libs/other"}},
            {
                "name": "other",
                "vcs": {"type": "git", "url": "https://example.com/other.git", "commit-id": "0" * 40},
            },
        ]
        assert "secret" not in json.dumps(sbom)
        assert "/srv" not in json.dumps(sbom)


class TestSbom:
    def test_components(self, appdir: AppDir, project: Project) -> None:
        url = "https://example.com/other-1.0-py3-none-any.whl"
        locked = LockedPackage(name=OTHER, version=Version("1.0"), wheels=[PackageWheel(url=url, hashes=HASHES)])
        _, sbom = record(appdir, project, [locked])
        application = sbom["metadata"]["component"]
        assert application["type"] == "application"
        assert application["name"] == "my-app"
        assert application["description"] == "An application"
        assert application["licenses"] == [{"expression": "MIT OR Apache-2.0"}]
        components = {component["name"]: component for component in sbom["components"]}
        assert set(components) == {"other", "third", "more", "cpython", "libx.so.1"}
        assert components["other"]["purl"] == "pkg:pypi/other@1.0"
        assert components["other"]["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]
        assert components["other"]["externalReferences"] == [{"type": "distribution", "url": url}]
        assert components["other"]["licenses"] == [{"license": {"name": "BSD"}}]
        assert components["third"]["licenses"] == [{"license": {"name": "Zope Public License"}}]
        assert components["cpython"]["version"] == "3.12.1"
        assert components["cpython"]["licenses"] == [{"license": {"id": "Python-2.0.1"}}]
        assert components["libx.so.1"]["properties"] == [{"name": "hatch-appimage:debian-package", "value": "libx1"}]
        assert "purl" not in components["third"]  # nobody knows where it is from

    def test_licences_of_libraries(self, appdir: AppDir, project: Project) -> None:
        """Names where Debian's file has them; and in any case the file, which may say it in prose."""
        file = licence_copy("libx1", appdir)
        file.parent.mkdir(parents=True)
        place = {"name": "hatch-appimage:licence-file", "value": "usr/share/doc/libx1/copyright"}
        for text, names in (("Format: 1.0\n\nFiles: *\nLicense: Zlib\n", ["Zlib"]), ("It is free.\n", [])):
            file.write_text(text)
            _, sbom = record(appdir, project)
            (library,) = (each for each in sbom["components"] if each["name"] == "libx.so.1")
            assert [each["license"]["name"] for each in library.get("licenses", ())] == names
            assert place in library["properties"]

    def test_fetched_packages(self, appdir: AppDir, project: Project) -> None:
        """Those that something in the image is from, with what scanners for vulnerabilities know them by."""
        fetched = PinnedPackages(
            "debian:12",
            tuple(
                PinnedPackage(name, "1:2.0-1", f"pool/{name}_2.0-1_arm64.deb", 5, "ab" * 32, ("Expat",))
                for name in ("libx1", "libx-data", "unused")
            ),
        )
        _, sbom = record(appdir, project, fetched=fetched)
        components = {component["name"]: component for component in sbom["components"]}
        assert "libx-data" in components
        assert "unused" not in components
        package = components["libx1"]
        assert package["version"] == "1:2.0-1"
        assert package["purl"] == "pkg:deb/debian/libx1@1:2.0-1?arch=arm64&distro=debian-12"
        assert package["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]
        assert package["licenses"] == [{"license": {"name": "Expat"}}]
        graph = {entry["ref"]: entry.get("dependsOn", []) for entry in sbom["dependencies"]}
        assert graph["libx.so.1"] == ["libx1=1:2.0-1"]
        assert LibraryLock.read(appdir.library_lock).parts["aarch64"].packages == tuple(
            replace(package, licences=()) for package in fetched.packages
        )

    def test_graph(self, appdir: AppDir, project: Project) -> None:
        _, sbom = record(appdir, project)
        graph = {entry["ref"]: entry.get("dependsOn", []) for entry in sbom["dependencies"]}
        # Nothing asks for `more`: a further requirement or a group did.
        assert graph["my-app==1.0"] == ["cpython==3.12.1", "libx.so.1", "more==1.0", "other==1.0"]
        assert graph["other==1.0"] == ["third==1.0"]

    def test_what_groups_have_installed(self, appdir: AppDir, project: Project, tmp_path: Path) -> None:
        """What the project does not ask for has needs of its own, even such as lead back."""
        needs = {"group": "loop_b", "loop_a": "loop_b", "loop_b": "loop_a", "ring_a": "ring_b", "ring_b": "ring_a"}
        for name, needed in needs.items():
            wheel = make_wheel(tmp_path / "wheels", name, {}, metadata=[f"Requires-Dist: {needed}"])
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(appdir.usr / "site")
        _, sbom = record(appdir, project)
        graph = {entry["ref"]: entry.get("dependsOn", []) for entry in sbom["dependencies"]}
        assert [ref for ref in graph["my-app==1.0"] if ref.startswith(("group", "loop", "ring"))] == [
            "group==1.0",
            "ring-a==1.0",
        ]
        assert graph["group==1.0"] == ["loop-b==1.0"]
        assert graph["loop-b==1.0"] == ["loop-a==1.0"]
        assert graph["ring-a==1.0"] == ["ring-b==1.0"]
        assert graph["ring-b==1.0"] == ["ring-a==1.0"]

    def test_same_again(self, appdir: AppDir, project: Project) -> None:
        _, first = record(appdir, project)
        _, again = record(appdir, project)
        assert again == first
        assert first["metadata"]["timestamp"] == "2020-02-02T00:00:00+00:00"
        (appdir.lib / "libx.so.1").write_bytes(b"y")
        _, other = record(appdir, project)
        assert other["serialNumber"] != first["serialNumber"]

    def test_no_time(self, appdir: AppDir, project: Project) -> None:
        _, sbom = record(appdir, project, timestamp=None)
        assert "timestamp" not in sbom["metadata"]
