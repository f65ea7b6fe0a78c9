# SPDX-License-Identifier: MIT
"""Lock files of every kind, with the real uv and an index of wheels made here; nothing is downloaded from elsewhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
import tomli_w
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.utils import canonicalize_name
from packaging.version import Version
from uv import find_uv_bin

from hatch_appimage.architecture import native_architecture
from hatch_appimage.errors import AppImageError
from hatch_appimage.layout import AppDir
from hatch_appimage.libraries.bundle import Libraries
from hatch_appimage.packages.build_record import Declaration, Source
from hatch_appimage.packages.install import install_packages
from hatch_appimage.packages.lock import Lock
from hatch_appimage.packages.provenance import write_provenance
from hatch_appimage.packages.settings import InstallSettings
from hatch_appimage.project.metadata import Project
from hatch_appimage.project.wheel import Release, Wheel
from hatch_appimage.python import BundledPython
from hatch_appimage.python.local import ask_python
from support.packages import Index, hash_of, make_project, make_sdist, make_wheel, serve

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hatch_appimage.packages.install import Installation

# Real installations.
pytestmark = pytest.mark.slow

PYPROJECT = """
[project]
name = "My.App"
version = "1.0"
requires-python = ">=3.10"
dependencies = ["other>=1", "native", "elsewhere; sys_platform == 'win32'"]
[project.optional-dependencies]
web = ["third"]
[dependency-groups]
more = ["fourth"]
dev = ["fifth"]
"""
METADATA = (
    "Requires-Dist: other>=1",
    "Requires-Dist: native",
    "Requires-Dist: elsewhere; sys_platform == 'win32'",
    "Provides-Extra: web",
    "Requires-Dist: third; extra == 'web'",
)
KINDS = ["pylock.toml", "pylock.deploy.toml", "uv.lock", "poetry.lock", "requirements.txt"]

PYTHON = ".".join(map(str, sys.version_info[:3]))
ABI = f"cp{sys.version_info.major}{sys.version_info.minor}"
NATIVE = f"{ABI}-{ABI}-manylinux_2_17_x86_64"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """Serve packages; of `other` there is a newer version than the locks have."""
    index = Index(tmp_path / "index")
    index.add("other", requires=["leaf; python_version >= '3'", "elsewhere; python_version < '3'"])
    for name in ("leaf", "elsewhere", "third", "fourth", "fifth"):
        index.add(name)
    for tag in (NATIVE, f"{ABI}-{ABI}-win_amd64", f"{ABI}-{ABI}-manylinux_2_17_aarch64", "cp38-cp38-win32"):
        index.add("native", tag=tag)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    with serve(index.directory) as served:
        monkeypatch.setenv("UV_DEFAULT_INDEX", served.url)
        yield served


@dataclass(frozen=True)
class Site:
    """A project with its wheel and an index, and a way to install it."""

    project: Project
    wheel: Path
    index: Index
    directory: Path
    source: Release | None = None

    @property
    def root(self) -> Path:
        return self.project.root

    def install(
        self,
        lock: str | Lock | None,
        *,
        features: Sequence[str] = (),
        groups: Sequence[str] = (),
        requirements: Sequence[str] = (),
        constraints: Path | None = None,
        name: str = "image",
    ) -> Image:
        """Install the wheel into an AppDir and write the records."""
        appdir = AppDir(self.directory / name, "my-app")
        site_packages = appdir.usr / f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
        python = BundledPython(
            version=PYTHON,
            executable=appdir.bin / "python3",
            stdlib=site_packages.parent,
            site_packages=(site_packages,),
            interpreter=Path(sys.executable),
            origin=Path(sys.prefix),
        )
        installation = install_packages(
            self.source or Wheel.read(self.wheel),
            appdir,
            python,
            self.project,
            InstallSettings(
                features=tuple(features),
                requirements=tuple(requirements),
                lock=Lock.named(self.root / lock) if isinstance(lock, str) else lock,
                constraints=constraints,
                dependency_groups=tuple(groups),
            ),
            architecture=native_architecture(),
        )
        libraries = Libraries((), (), (), (), {}, 0, ())
        write_provenance(
            appdir,
            self.project,
            python,
            installation,
            libraries,
            architecture=native_architecture(),
            declaration=Declaration(Source("project", self.project.name, self.project.version)),
            origin=ask_python(Path(sys.executable)),
        )
        return Image(appdir, installation)

    def uv(self, *arguments: str) -> None:
        command = [find_uv_bin(), *arguments, "--quiet", "--python", sys.executable]
        subprocess.run(command, cwd=self.root, check=True, stdout=subprocess.DEVNULL)

    def lock(self, kind: str, *, extras: Sequence[str] = ("web",), groups: Sequence[str] = ("more",)) -> Path:
        """Write a lock as its own tool does, with everything in it, before `other` has a newer version."""
        path = self.root / kind
        if kind == "poetry.lock":
            path.write_text(poetry_lock(self.index), encoding="utf-8")
        else:
            self.uv("lock")
            chosen = [*(f"--extra={name}" for name in extras), *(f"--group={name}" for name in groups)]
            target = "requirements.txt" if kind.endswith(".txt") else "pylock.toml"
            if kind != "uv.lock":
                options = ("--no-emit-project", "--no-default-groups", *chosen, "--format", target)
                self.uv("export", *options, "--output-file", str(path))
                (self.root / "uv.lock").unlink()
        self.index.add("other", "2.0")
        return path


@dataclass(frozen=True)
class Image:
    appdir: AppDir
    installation: Installation

    @property
    def packages(self) -> list[str]:
        return [f"{package.name} {package.version}" for package in self.installation.packages]


@pytest.fixture
def site(tmp_path: Path, index: Index) -> Site:
    root = tmp_path / "project"
    root.mkdir()
    (root / "pyproject.toml").write_text(PYPROJECT)
    wheel = make_wheel(tmp_path / "wheel", "my_app", {"my_app.py": "def main(): pass\n"}, metadata=METADATA)
    project = Project(root, "My.App", "1.0", "", ">=3.10", {"my-app": "my_app:main"}, {}, ("web",))
    return Site(project, wheel, index, tmp_path)


def poetry_lock(index: Index, *, version: str = "2.1", changes: Mapping[str, object] | None = None) -> str:
    """Return what Poetry writes for the project, but for its comment and hash of pyproject.toml."""

    def package(name: str, groups: list[str], **more: object) -> dict[str, object]:
        files = [{"file": file.name, "hash": f"sha256:{hash_of(file)}"} for file in index.files(name)]
        entry = {"name": name, "version": "1.0", "description": "", "optional": False, "python-versions": "*"}
        known = {"groups": groups} if version == "2.1" else {}
        return {**entry, **known, "files": files, **more, **(changes or {})}

    other = {
        "leaf": {"version": "*", "markers": 'python_version >= "3"'},
        "elsewhere": {"version": ">=1", "markers": 'python_version < "3"'},
    }
    markers = {"markers": 'sys_platform == "win32"'} if version == "2.1" else {}
    web = {"markers": 'extra == "web"'} if version == "2.1" else {}
    document = {
        "package": [
            package("elsewhere", ["main"], **markers),
            package("fifth", ["dev"]),
            package("fourth", ["more"]),
            package("leaf", ["main"]),
            package("native", ["main"]),
            package("other", ["main"], dependencies=other),
            package("third", ["main"], **{**web, "optional": True}),
        ],
        "extras": {"web": ["third"]},
        "metadata": {"lock-version": version, "python-versions": ">=3.10", "content-hash": "0" * 64},
    }
    return tomli_w.dumps(document)


def lock_packages(site: Site, kind: str, names: Sequence[str]) -> None:
    """Have the project need packages, and lock them as the tool of a kind does: as it writes the names of files."""
    text = PYPROJECT.replace('"native"', ", ".join(f'"{name}"' for name in names))
    (site.root / "pyproject.toml").write_text(text)
    site.lock("uv.lock" if kind == "poetry.lock" else kind, extras=(), groups=())
    if kind == "poetry.lock":
        (site.root / kind).write_text(as_poetry_lock(tomllib.loads((site.root / "uv.lock").read_text())))
    metadata = [f"Requires-Dist: {name}" for name in ["other>=1", *names]]
    make_wheel(site.wheel.parent, "my_app", {"my_app.py": ""}, metadata=metadata)


def as_poetry_lock(lock: Mapping[str, Any]) -> str:
    """Return what Poetry writes for what uv has locked: it names files as they are on the index."""
    packages = [
        {
            "name": package["name"],
            "version": package["version"],
            "optional": False,
            "python-versions": "*",
            "groups": ["main"],
            "files": [
                {"file": unquote(file["url"].rpartition("/")[2]), "hash": file["hash"]}
                for file in [*package.get("wheels", ()), *filter(None, [package.get("sdist")])]
            ],
            "dependencies": {
                needed["name"]: {"version": "*", **({"markers": needed["marker"]} if "marker" in needed else {})}
                for needed in package.get("dependencies", ())
            },
        }
        for package in lock["package"]
        if "registry" in package["source"]
    ]
    return tomli_w.dumps({"package": packages, "metadata": {"lock-version": "2.1"}})


BASE = ["leaf 1.0", "my-app 1.0", "native 1.0", "other 1.0"]


@pytest.mark.parametrize("kind", ["uv.lock", "poetry.lock"])
class TestWholeProject:
    """Locks that know all features and groups of a project."""

    def test_nothing_more_than_needed(self, site: Site, kind: str) -> None:
        site.lock(kind)
        assert site.install(kind).packages == BASE

    def test_features(self, site: Site, kind: str) -> None:
        site.lock(kind)
        assert site.install(kind, features=["web"]).packages == [*BASE, "third 1.0"]

    def test_groups(self, site: Site, kind: str) -> None:
        site.lock(kind)
        assert site.install(kind, groups=["more"]).packages == ["fourth 1.0", *BASE]

    def test_unknown_group(self, site: Site, kind: str) -> None:
        site.lock(kind)
        with pytest.raises(AppImageError, match=r"(?i)group `?nope`?"):
            site.install(kind, groups=["nope"])


@pytest.mark.parametrize("kind", KINDS)
class TestEveryKind:
    def test_installs_what_is_locked(self, site: Site, kind: str) -> None:
        site.lock(kind, groups=())
        image = site.install(kind, features=["web"])
        assert image.packages == [*BASE, "third 1.0"]
        assert len(image.installation.packages) == 5
        assert image.installation.lock is not None
        assert image.installation.lock.path.name == kind

    def test_tampered_hash(self, site: Site, kind: str) -> None:
        """The hash of the very file that is installed: no other one may take its place."""
        path = site.lock(kind, groups=())
        good = hash_of(site.index.directory / "native" / f"native-1.0-{NATIVE}.whl")
        text = path.read_text()
        assert good in text
        path.write_text(text.replace(good, "0" * 64))
        with pytest.raises(AppImageError, match=r"(?i)hash.*native|native.*hash") as caught:
            site.install(kind, features=["web"])
        assert good in str(caught.value)
        assert not list((site.directory / "image").rglob("my_app*"))

    def test_tampered_file(self, site: Site, kind: str) -> None:
        site.lock(kind, groups=())
        wheel = site.index.directory / "other" / "other-1.0-py3-none-any.whl"
        wheel.write_bytes(wheel.read_bytes() + b"\0")
        subprocess.run([find_uv_bin(), "cache", "clean", "--quiet"], check=True)
        with pytest.raises(AppImageError, match=r"(?i)hash"):
            site.install(kind, features=["web"])

    def test_record_installs_the_same(self, site: Site, kind: str) -> None:
        site.lock(kind, groups=())
        first = site.install(kind, features=["web"])
        (site.root / kind).unlink()
        (site.root / "pylock.again.toml").write_bytes(first.appdir.pylock.read_bytes())
        again = site.install("pylock.again.toml", features=["web"], name="again")
        assert again.packages == first.packages
        assert again.appdir.pylock.read_bytes() == first.appdir.pylock.read_bytes()
        assert again.appdir.sbom.read_bytes() == first.appdir.sbom.read_bytes()

    def test_missing_requirement(self, site: Site, kind: str) -> None:
        site.lock(kind)
        site.index.add("sixth")
        with pytest.raises(AppImageError) as caught:
            site.install(kind, features=["web"], requirements=["sixth>=1", "seventh; sys_platform == 'win32'"])
        assert str(caught.value) == (
            f"{site.root / kind} does not fit the project: `requirements` has `sixth>=1`, "
            f"and the lock has no sixth for this Python and platform; lock again"
        )

    def test_wheel_needs_something_else(self, site: Site, kind: str) -> None:
        site.lock(kind)
        make_wheel(site.wheel.parent, "my_app", {"my_app.py": ""}, metadata=["Requires-Dist: other>=1.5"])
        with pytest.raises(AppImageError) as caught:
            site.install(kind)
        assert str(caught.value) == (
            f"{site.root / kind} does not fit the project: its wheel needs `other>=1.5`, "
            f"and the lock has other 1.0; lock again"
        )

    def test_no_wheel_for_the_target(self, site: Site, kind: str) -> None:
        """The index got it after the lock was written."""
        (native,) = (file for file in site.index.files("native") if NATIVE in file.name)
        hidden = native.rename(site.directory / native.name)
        site.lock(kind)
        hidden.rename(native)
        with pytest.raises(AppImageError) as caught:
            site.install(kind)
        (line,) = str(caught.value).splitlines()
        assert line.startswith(str(site.root / kind))
        assert "native" in line
        assert f"Python 3.{sys.version_info.minor} on linux x86_64" in line

    def test_no_hashes(self, site: Site, kind: str) -> None:
        path = site.lock(kind)
        if kind == "poetry.lock":
            path.write_text(poetry_lock(site.index, changes={"files": []}))
        else:
            text = re.sub(r", hashes = \{[^}]*\}|, hash = \"[^\"]*\"| \\\n\s+--hash=\S+", "", path.read_text())
            path.write_text(text)
        with pytest.raises(AppImageError, match=r"hash") as caught:
            site.install(kind)
        (line,) = str(caught.value).splitlines()
        assert line.startswith(str(path))


@pytest.mark.parametrize("kind", KINDS)
class TestNamesOfFiles:
    """Indexes keep files as they were uploaded: a name has many forms."""

    def test_wheels(self, site: Site, kind: str) -> None:
        names = {
            "Upper.Case-1.0-py3-none-any.whl": "upper-case",
            "double__under-1.0-py3-none-any.whl": "double-under",
            "dated-2020.01.05-py3-none-any.whl": "dated",
            "numbered-1.0-2-py3-none-any.whl": "numbered",
            "local-1.0+Cpu.1-py3-none-any.whl": "local",
        }
        for file, name in names.items():
            title, version = file.split("-")[:2]
            wheel = make_wheel(site.directory / "made", title, {f"{name.replace('-', '_')}.py": ""}, version=version)
            (site.index.directory / name).mkdir()
            wheel.rename(site.index.directory / name / file)
        lock_packages(site, kind, [*names.values()])
        assert site.install(kind).packages == [
            *("dated 2020.01.05", "double-under 1.0", "leaf 1.0", "local 1.0+Cpu.1", "my-app 1.0", "numbered 1.0"),
            *("other 1.0", "upper-case 1.0"),
        ]

    @pytest.mark.parametrize(
        ("file", "alone"),
        [
            ("Com.pressed-1.0.tar.bz2", False),  # uv builds from no such file
            ("Com.pressed-1.0-1.tar.gz", False),
            ("Com.pressed-1.0-1.tar.gz", True),
        ],
    )
    def test_old_sdists(self, site: Site, kind: str, file: str, *, alone: bool) -> None:
        """They may have endings and versions that nobody gives them any more, and often lie beside wheels."""
        version = "1.0.post1" if "-1.tar" in file else "1.0"
        directory = site.index.directory / "com-pressed"
        wheel = make_wheel(site.directory / "made", "com_pressed", {}, version=version)
        make_sdist(directory / file, wheel)
        if not alone:
            wheel.rename(directory / wheel.name)
        lock_packages(site, kind, ["com-pressed"])
        image = site.install(kind)
        assert image.packages == [f"com-pressed {version}", "leaf 1.0", "my-app 1.0", "other 1.0"]
        (site.root / "pylock.again.toml").write_bytes(image.appdir.pylock.read_bytes())
        assert site.install("pylock.again.toml", name="again").packages == image.packages

    @pytest.mark.slow
    @pytest.mark.network
    def test_published(self, site: Site, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
        monkeypatch.delenv("UV_DEFAULT_INDEX")
        monkeypatch.setenv("UV_INDEX", site.index.url)
        compiled = ["markupsafe==2.1.5", "pyyaml==6.0.1", "pyqt6-sip==13.8.0"]
        names = ["jinja2==3.1.2", "ruamel.yaml==0.18.6", "zope.interface==6.4"]
        if sys.version_info < (3, 13):  # for newer ones they have no wheels
            names += compiled
        lock_packages(site, kind, names)
        found = {package.name: package.version for package in site.install(kind).installation.packages}
        for name in names:
            title, _, version = name.partition("==")
            assert found[canonicalize_name(title)] == version


@pytest.mark.parametrize("kind", ["pylock.toml", "uv.lock", "poetry.lock"])
@pytest.mark.parametrize("text", ["packages = [", "\xff"])
def test_broken(site: Site, kind: str, text: str) -> None:
    (site.root / kind).write_bytes(text.encode("latin-1"))
    with pytest.raises(AppImageError) as caught:
        site.install(kind)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{site.root / kind} is no valid TOML: ")


class TestPylock:
    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("", "Missing required value in 'lock-version'"),
            (
                'lock-version = "1.0"\ncreated-by = "x"\npackages = 1',
                "Unexpected type int (expected Sequence) in 'packages'",
            ),
        ],
    )
    def test_invalid(self, site: Site, text: str, fault: str) -> None:
        path = site.root / "pylock.toml"
        path.write_text(text)
        with pytest.raises(AppImageError) as caught:
            site.install("pylock.toml")
        assert str(caught.value) == f"{path} does not have what a pylock.toml must have: {fault}"

    def test_features_and_groups(self, site: Site) -> None:
        """As tools write it that lock a whole project."""
        path = site.lock("pylock.toml")
        document = tomllib.loads(path.read_text())
        document |= {"extras": ["web"], "dependency-groups": ["more"], "default-groups": ["main"]}
        markers = {"third": "'web' in extras", "fourth": "'more' in dependency_groups"}
        for package in document["packages"]:
            marker = markers.get(package["name"], "'main' in dependency_groups")
            package["marker"] = f"({package['marker']}) and {marker}" if "marker" in package else marker
        itself = {"name": "my-app", "version": "1.0", "directory": {"path": "."}}
        path.write_text(tomli_w.dumps({**document, "packages": [itself, *document["packages"]]}))
        assert site.install(path.name).packages == BASE
        both = site.install(path.name, features=["web"], groups=["more"], name="both")
        assert both.packages == ["fourth 1.0", *BASE, "third 1.0"]
        with pytest.raises(AppImageError) as caught:
            site.install(path.name, groups=["nope"], name="none")
        assert str(caught.value) == f"{path} has no dependency group `nope`: it has main, more"

    def test_other_python(self, site: Site) -> None:
        path = site.lock("pylock.toml")
        path.write_text(path.read_text().replace('requires-python = ">=3.10"', 'requires-python = ">=4"'))
        with pytest.raises(AppImageError, match=r"does not fit Python 3\.\d+ on linux x86_64: .*'>=4'$"):
            site.install("pylock.toml")


class TestUvLock:
    def test_of_a_script(self, site: Site) -> None:
        script = site.root / "tool.py"
        script.write_text('# /// script\n# dependencies = ["other", "native"]\n# ///\n')
        site.uv("lock", "--script", str(script))
        site.index.add("other", "2.0")
        assert site.install("tool.py.lock").packages == BASE
        script.write_text(script.read_text().replace('"native"', '"native", "fifth"'))
        with pytest.raises(AppImageError) as caught:
            site.install("tool.py.lock", name="later")
        assert str(caught.value) == (
            f"{script}.lock is out of date with tool.py or the index that uv is told to use: "
            "run `uv lock --script tool.py`"
        )

    def test_out_of_date(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        path = site.lock("uv.lock")
        monkeypatch.setenv("UV_FROZEN", "1")
        (site.root / "pyproject.toml").write_text(PYPROJECT.replace('"native"', '"native", "fifth"'))
        with pytest.raises(AppImageError) as caught:
            site.install("uv.lock")
        assert str(caught.value) == (
            f"{path} is out of date with pyproject.toml or the index that uv is told to use: run `uv lock`"
        )

    def test_of_another_python(self, site: Site) -> None:
        """Without `requires-python`, uv locks for the Python that it runs with, and `uv lock` would not help."""
        path = site.lock("uv.lock")
        path.write_text(path.read_text().replace('requires-python = ">=3.10"', 'requires-python = ">=3.8"'))
        project = site.root / "pyproject.toml"
        project.write_text(PYPROJECT.replace('requires-python = ">=3.10"\n', ""))
        here = ".".join(map(str, sys.version_info[:2]))
        with pytest.raises(AppImageError) as caught:
            site.install("uv.lock")
        assert str(caught.value) == (
            f"{path} is for Python >=3.8, and uv would make it one for >={here}, as no `requires-python` says "
            'otherwise: add `requires-python = ">=3.8"` to [project] in pyproject.toml'
        )
        project.write_text(PYPROJECT.replace(">=3.10", ">=3.8"))
        assert site.install("uv.lock", name="later").packages == BASE

    def test_cannot_be_compared(
        self, site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Offline, and the change needs a package that is not in the cache; what was locked fits all the same."""
        site.lock("uv.lock")
        site.install("uv.lock", name="cached")
        (site.root / "pyproject.toml").write_text(PYPROJECT.replace('"fourth"', '"fourth", "unheard-of"'))
        monkeypatch.setenv("UV_OFFLINE", "1")
        assert site.install("uv.lock").packages == BASE
        (warning,) = [record.message for record in caplog.records if record.levelname == "WARNING"]
        assert warning == (
            "Whether uv.lock is up to date with pyproject.toml cannot be told: "
            "No solution found when resolving dependencies"
        )

    def test_directory_of_wheels(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        """For these uv writes no hashes."""
        wheels = site.root / "wheels"
        make_wheel(wheels, "sixth", {"sixth.py": ""})
        text = PYPROJECT.replace('"native"', '"native", "sixth"') + '[tool.uv]\nfind-links = ["wheels"]\n'
        (site.root / "pyproject.toml").write_text(text)
        path = site.lock("uv.lock")
        image = site.install("uv.lock")
        assert image.packages == [*BASE, "sixth 1.0"]
        (warning,) = [record.message for record in caplog.records if record.levelname == "WARNING"]
        assert warning.startswith(f"{path} has no hash of sixth-1.0-py3-none-any.whl")
        assert 'path = "wheels/sixth-1.0-py3-none-any.whl"' in image.appdir.pylock.read_text()
        (site.root / "pylock.toml").write_bytes(image.appdir.pylock.read_bytes())
        assert site.install("pylock.toml", name="again").packages == image.packages


@pytest.mark.parametrize("kind", ["pylock.toml", "uv.lock", "poetry.lock"])
@pytest.mark.parametrize(
    "source", ["workspace = true", 'path = "libs/native"', 'path = "libs/native", editable = true']
)
def test_local_packages(site: Site, kind: str, source: str) -> None:
    """What a lock has on this machine is never had from the index, where a stranger has the name."""
    wheel = make_wheel(site.directory / "made", "native", {"native.py": "version = 'mine'\n"}, version="0.5")
    make_project(site.root / "libs" / "native", wheel)
    text = f"[tool.uv.sources]\nnative = {{ {source} }}\n"
    if "workspace" in source:
        text += '[tool.uv.workspace]\nmembers = ["libs/*"]\n'
    (site.root / "pyproject.toml").write_text(PYPROJECT + text)
    if kind == "poetry.lock":
        local = {"version": "0.5", "files": [], "source": {"type": "directory", "url": "libs/native"}}
        document = tomllib.loads(poetry_lock(site.index))
        (entry,) = (package for package in document["package"] if package["name"] == "native")
        entry.update(local)
        (site.root / kind).write_text(tomli_w.dumps(document))
        site.index.add("other", "2.0")
    else:
        site.lock(kind, extras=(), groups=())
    image = site.install(kind)
    assert image.packages == ["leaf 1.0", "my-app 1.0", "native 0.5", "other 1.0"]
    (module,) = image.appdir.root.rglob("native.py")
    assert "mine" in module.read_text()
    (locked,) = (it for it in tomllib.loads(image.appdir.pylock.read_text())["packages"] if it["name"] == "native")
    assert locked["directory"] == {"path": "libs/native"}


class TestPoetryLock:
    @pytest.mark.parametrize("version", ["2.0", "2.1"])
    def test_versions(self, site: Site, version: str) -> None:
        (site.root / "poetry.lock").write_text(poetry_lock(site.index, version=version))
        site.index.add("other", "2.0")
        assert site.install("poetry.lock", features=["web"]).packages == [*BASE, "third 1.0"]

    def test_old_version(self, site: Site) -> None:
        path = site.root / "poetry.lock"
        path.write_text(poetry_lock(site.index, version="1.1"))
        with pytest.raises(AppImageError, match=r"has version 1\.1 of Poetry's format, and 2\.0 or 2\.1 can be read"):
            site.install("poetry.lock")

    def test_no_groups(self, site: Site) -> None:
        (site.root / "poetry.lock").write_text(poetry_lock(site.index, version="2.0"))
        with pytest.raises(AppImageError, match=r"run `poetry lock` with Poetry 2 or newer$"):
            site.install("poetry.lock", groups=["more"])

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "package = 1\nmetadata.lock-version = '2.1'",
            "[[package]]\nversion = '1'\n[metadata]\nlock-version = '2.1'\n",
        ],
    )
    def test_no_lock(self, site: Site, text: str) -> None:
        path = site.root / "poetry.lock"
        path.write_text(text)
        with pytest.raises(AppImageError) as caught:
            site.install("poetry.lock")
        assert str(caught.value).startswith(f"{path} is no lock ")


class TestRequirements:
    def test_includes(self, site: Site) -> None:
        path = site.lock("requirements.txt")
        path.rename(site.root / "all.txt")
        path.write_text("-r all.txt\n")
        assert site.install("requirements.txt", features=["web"]).packages == ["fourth 1.0", *BASE, "third 1.0"]

    def test_groups(self, site: Site) -> None:
        site.lock("requirements.txt")
        with pytest.raises(AppImageError, match="has no dependency groups"):
            site.install("requirements.txt", groups=["more"])

    def test_directory(self, site: Site) -> None:
        path = site.lock("requirements.txt")
        directory = site.directory / "local"
        directory.mkdir()
        (directory / "pyproject.toml").write_text('[project]\nname = "local"\nversion = "1"\n')
        with path.open("a") as file:
            file.write(f"local @ {directory.as_uri()}\n")
        with pytest.raises(AppImageError, match="names local by a place that has no hash"):
            site.install("requirements.txt")


class TestRelease:
    """What the index has of an application: it is locked like the rest."""

    @pytest.fixture
    def release(self, site: Site) -> Site:
        make_wheel(site.index.directory / "my-app", "my_app", {"my_app.py": ""}, metadata=METADATA)
        return replace(site, source=Release("My.App", Version("1.0"), None))

    def test_record_installs_the_same(self, release: Site) -> None:
        first = release.install(None, features=["web"])
        assert first.packages == [*BASE, "third 1.0"]
        sbom = json.loads(first.appdir.sbom.read_text())
        assert sbom["metadata"]["component"]["purl"] == "pkg:pypi/my-app@1.0"
        graph = {entry["ref"]: entry.get("dependsOn", []) for entry in sbom["dependencies"]}
        assert graph["my-app==1.0"] == ["cpython==" + PYTHON, "native==1.0", "other==1.0", "third==1.0"]
        release.index.add("other", "2.0")
        (release.root / "pylock.toml").write_bytes(first.appdir.pylock.read_bytes())
        again = release.install("pylock.toml", features=["web"], name="again")
        assert again.packages == first.packages
        assert again.appdir.pylock.read_bytes() == first.appdir.pylock.read_bytes()

    def test_its_command_counts(self, release: Site) -> None:
        """Another package has one of the same name, and whoever comes later overwrites it."""
        for name in ("my_app", "zoo", "another"):
            requires = ["Requires-Dist: zoo", "Requires-Dist: another"] if name == "my_app" else []
            directory = release.index.directory / name.replace("_", "-")
            make_wheel(directory, name, {f"{name}.py": ""}, metadata=requires, scripts=f"start = {name}:main")
        image = release.install(None)
        assert image.packages == ["another 1.0", "my-app 1.0", "zoo 1.0"]
        assert "from my_app import main" in (image.appdir.bin / "start").read_text()

    def test_requirements(self, release: Site) -> None:
        lines = release.root / "in.txt"
        lines.write_text("my.app\n")
        release.uv("pip", "compile", "in.txt", "--generate-hashes", "--output-file", "requirements.txt")
        assert release.install("requirements.txt").packages == BASE

    def test_not_locked(self, release: Site) -> None:
        path = release.lock("requirements.txt")
        with pytest.raises(AppImageError) as caught:
            release.install("requirements.txt")
        assert str(caught.value) == (
            f"{path} does not fit the project: the image needs `my-app==1.0`, "
            f"and the lock has no my-app for this Python and platform; lock again"
        )


@pytest.mark.parametrize("kind", [None, *KINDS])
def test_circles(site: Site, kind: str | None) -> None:
    """Plugins need what they are plugins of; packages need each other; extras are made of others."""
    site.index.add("my_plugin", requires=["My_App[web]>=1"])
    site.index.add("first", requires=["Second"])
    site.index.add("second", requires=["first[more]"])
    needed = ["my.plugin", "FIRST", "my-app[web]"]
    text = PYPROJECT.replace('"native"', ", ".join(f'"{name}"' for name in needed))
    (site.root / "pyproject.toml").write_text(text.replace("[dependency", 'all = ["my_app[web]"]\n[dependency'))
    metadata = [*(f"Requires-Dist: {name}" for name in ("other>=1", *needed)), *METADATA[3:]]
    make_wheel(
        site.wheel.parent,
        "my_app",
        {"my_app.py": ""},
        metadata=[*metadata, "Provides-Extra: all", "Requires-Dist: my-app[web]; extra == 'all'"],
    )
    if kind == "poetry.lock":
        site.uv("lock")
        lock = tomllib.loads((site.root / "uv.lock").read_text())
        (site.root / kind).write_text(as_poetry_lock(lock))
        (site.root / "uv.lock").unlink()
    elif kind:
        site.lock(kind, groups=(), extras=["all"])
    image = site.install(kind, features=["all"])
    assert image.packages == [
        *("first 1.0", "leaf 1.0", "my-app 1.0", "my-plugin 1.0", "other 1.0", "second 1.0", "third 1.0")
    ]
    sbom = image.appdir.sbom.read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(sbom) is None
    graph = {entry["ref"]: entry.get("dependsOn", []) for entry in json.loads(sbom)["dependencies"]}
    assert graph["my-app==1.0"] == [*(f"cpython=={PYTHON}", "first==1.0", "my-plugin==1.0", "other==1.0", "third==1.0")]
    assert graph["my-plugin==1.0"] == ["my-app==1.0"]
    assert graph["first==1.0"] == ["second==1.0"]
    assert graph["second==1.0"] == ["first==1.0"]
    (site.root / "pylock.again.toml").write_bytes(image.appdir.pylock.read_bytes())
    assert site.install("pylock.again.toml", features=["all"], name="again").packages == image.packages


class TestUnlocked:
    def test_newest(self, site: Site) -> None:
        site.index.add("other", "2.0")
        image = site.install(None)
        assert image.packages == ["my-app 1.0", "native 1.0", "other 2.0"]
        assert (len(image.installation.packages), image.installation.lock) == (3, None)

    def test_constraints(self, site: Site) -> None:
        site.index.add("other", "2.0")
        constraints = site.root / "limits.txt"
        constraints.write_text("other<2\nfifth<1\n")
        assert site.install(None, constraints=constraints).packages == BASE

    def test_impossible_constraints(self, site: Site) -> None:
        constraints = site.root / "limits.txt"
        constraints.write_text("other<1\n")
        with pytest.raises(AppImageError, match=r"^Cannot install My\.App and its dependencies: "):
            site.install(None, constraints=constraints)

    def test_groups(self, site: Site) -> None:
        assert site.install(None, groups=["more"]).packages == ["fourth 1.0", *BASE]

    def test_record_installs_the_same(self, site: Site) -> None:
        first = site.install(None, features=["web"])
        site.index.add("other", "2.0")
        (site.root / "pylock.toml").write_bytes(first.appdir.pylock.read_bytes())
        again = site.install("pylock.toml", features=["web"], name="again")
        assert again.packages == first.packages
        assert again.appdir.pylock.read_bytes() == first.appdir.pylock.read_bytes()

    def test_offline_from_the_cache(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        """Another tool has put the packages into uv's cache."""
        environment = site.directory / "environment"
        site.uv("venv", str(environment))
        subprocess.run(
            [find_uv_bin(), "pip", "install", "--quiet", "--python", environment, "other", "native"], check=True
        )
        monkeypatch.setenv("UV_OFFLINE", "1")
        assert site.install(None).packages == BASE
