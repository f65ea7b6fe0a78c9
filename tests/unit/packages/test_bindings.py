# SPDX-License-Identifier: MIT
"""Packages that a project has elsewhere, while the index has strangers of the same names."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest
import tomli_w
from packaging.markers import default_environment
from packaging.pylock import Package, PackageSdist
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from uv import find_uv_bin

from hatch_appimage import cli
from hatch_appimage.errors import AppImageError
from hatch_appimage.packages.bindings import Scope, check_declared, check_resolved, read_bindings
from support.packages import Index, make_wheel, serve

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "app"
version = "1.0"
requires-python = ">=3.10"
dependencies = ["first>=1", "Sec.ond", "third; sys_platform == 'win32'"]
[project.optional-dependencies]
web = ["fourth"]
all = ["app[web]"]
[project.scripts]
app = "app:main"

[dependency-groups]
dev = ["fifth"]
more = ["sixth", {include-group = "dev"}]

[tool.hatch.build.targets.wheel]
only-include = ["app.py"]
[tool.hatch.metadata]
allow-direct-references = true
[tool.hatch.build.targets.appimage]
compression = 'fast'
startup-order = false
"""
INDEX = """
[[tool.uv.index]]
name = "acme"
url = "https://me:secret@acme.example/simple/"
explicit = true
"""


def refused(
    root: Path,
    text: str,
    *,
    features: Sequence[str] = (),
    groups: Sequence[str] = (),
    requirements: Sequence[str] = (),
    constraints: Path | None = None,
    metadata: Sequence[str] | None = None,
) -> list[str]:
    """Return the names of packages that are refused of a project with a further text in its pyproject.toml."""
    root.mkdir(exist_ok=True, parents=True)
    (root / "pyproject.toml").write_text(PROJECT + text)
    scope = Scope.of(default_environment(), features, groups)
    needed = None if metadata is None else [Requirement(text) for text in metadata]
    try:
        check_declared(root, scope, needed, requirements, constraints)
    except AppImageError as error:
        return [line.split()[0] for line in str(error).splitlines()]
    return []


def repository(directory: Path) -> str:
    """Make a Git repository of a directory, and return its address."""
    author = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    for command in (["init", "--quiet"], ["add", "."], [*author, "commit", "--quiet", "--message", "All of it"]):
        subprocess.run(["git", *command], cwd=directory, check=True)
    return directory.as_uri()


class TestDeclared:
    """What can be told before anything is built."""

    @pytest.mark.parametrize(
        "entry",
        [
            "{ workspace = true }",
            '{ path = "../first" }',
            '[{ path = "a", marker = "sys_platform == \'win32\'" }, { path = "b", marker = "os_name == \'posix\'" }]',
        ],
    )
    def test_uv_does_not_find_it(self, tmp_path: Path, entry: str) -> None:
        """As in an unpacked sdist, beside which nothing lies."""
        assert refused(tmp_path, f"[tool.uv.sources]\nFirst = {entry}\n{INDEX}") == ["first"]

    @pytest.mark.parametrize(
        "entry",
        [
            '{ workspace = true }\n[tool.uv.workspace]\nmembers = ["libs/*"]',
            '{ path = "libs/first" }',
            '{ git = "https://example.org/first" }',
            '{ url = "https://example.org/first-1.0-py3-none-any.whl" }',
            '{ index = "acme" }',
        ],
    )
    def test_uv_finds_it(self, tmp_path: Path, entry: str) -> None:
        (tmp_path / "libs" / "first").mkdir(parents=True)
        text = f"[tool.uv.sources]\nfirst = {entry}\n{INDEX}"
        assert refused(tmp_path, text) == []
        # What the option asks for, no pyproject.toml says.
        assert refused(tmp_path, text, metadata=[], requirements=["First"]) == ["first"]

    @pytest.mark.parametrize(
        "text",
        [
            "unheard_of = { workspace = true }",  # nobody needs it
            'third = { path = "x" }',  # not here
            'fourth = { path = "x" }',  # the extra is not installed
            'fifth = { path = "x" }',  # nor is the group
            'first = [{ path = "x", marker = "sys_platform == \'win32\'" }]',
            'first = [{ path = "x", group = "dev" }]',
            'first = [{ path = "x", extra = "web" }]',
            'first = { index = "open" }\n[[tool.uv.index]]\nname = "open"\nurl = "https://open.example/"',
            'first = { path = "x" }\n[tool.uv]\nno-sources = true',
            'first = { path = "x" }\n[tool.uv]\nno-sources-package = ["FIRST"]',
        ],
    )
    def test_uv_does_not_apply(self, tmp_path: Path, text: str) -> None:
        assert refused(tmp_path, f"[tool.uv.sources]\n{text}\n") == []

    def test_all_at_once(self, tmp_path: Path) -> None:
        text = '[tool.uv.sources]\nfirst = { workspace = true }\nsec-ond = { path = "../second" }\n'
        (tmp_path / "pyproject.toml").write_text(PROJECT + text)
        with pytest.raises(AppImageError) as caught:
            check_declared(tmp_path, Scope(default_environment()), None, (), None)
        assert str(caught.value).splitlines() == [
            f"{name} comes from {place}, says [tool.uv.sources], and the metadata of a wheel does not: without a lock, "
            "what the package index has by this name would be packed. Run `uv lock`, and set `lock` to the `uv.lock` "
            f"if that is not beside pyproject.toml, or add `{name} @ file://${{PROJECT_ROOT}}/...`, with the path of "
            "its project or wheel, to `requirements`"
            for name, place in (("first", "the workspace"), ("sec-ond", "../second"))
        ]

    def test_scope(self, tmp_path: Path) -> None:
        sources = '[tool.uv.sources]\nfourth = { path = "x" }\nfirst = { path = "x", extra = "all" }\n'
        assert refused(tmp_path, sources, features=["All"]) == ["first", "fourth"]
        part = '[tool.uv.sources]\nfourth = { path = "x", extra = "web" }\n'
        assert refused(tmp_path, part, features=["All"]) == ["fourth"]
        assert refused(tmp_path, sources, requirements=["Fourth"]) == ["fourth"]
        assert refused(tmp_path, sources, metadata=["fourth", "other"]) == ["fourth"]
        assert refused(tmp_path, sources, metadata=["other"]) == []

    def test_said_where_it_is(self, tmp_path: Path) -> None:
        sources = '[tool.uv.sources]\nfirst = { path = "x" }\n'
        constraints = tmp_path / "constraints.txt"
        constraints.write_text("other<2\nFirst[x] @ file:///srv/first\n")
        assert refused(tmp_path / "a", sources, constraints=constraints) == []
        assert refused(tmp_path / "a", sources, requirements=["first @ file:///srv/first"]) == []
        constraints.write_text("first<2\n")
        assert refused(tmp_path / "a", sources, constraints=constraints) == ["first"]
        # uv heeds what it is told for groups.
        sources += 'fifth = { path = "x" }\n'
        assert refused(tmp_path / "a", sources, requirements=["fifth"]) == ["fifth", "first"]
        assert refused(tmp_path / "a", sources, requirements=["fifth"], groups=["More"]) == ["first"]

    @pytest.mark.parametrize(
        ("members", "found"),
        [('["libs/*"]', True), ('["./**", "."]', True), ('["other"]', False), ('["/libs/*"]', False)],
    )
    def test_workspace(self, tmp_path: Path, members: str, found: bool) -> None:  # noqa: FBT001 - a parameter
        root = f"[tool.uv.workspace]\nmembers = {members}\nexclude = ['libs/not']\n[tool.uv.sources]\n"
        (tmp_path / "pyproject.toml").write_text(f"{root}first = {{ workspace = true }}\nsec-ond = {{ path = 'x' }}\n")
        own = '[tool.uv.sources]\nsec_ond = { index = "open" }\n[[tool.uv.index]]\nname = "open"\nurl = "https://o/"\n'
        ask = partial(refused, metadata=(), requirements=("first", "sec-ond"))
        # What is asked for everything, the root of a workspace says.
        assert ask(tmp_path / "libs" / "app", own) == (["first", "sec-ond"] if found else [])
        (tmp_path / "uv.toml").write_text('extra-index-url = ["https://o"]')
        assert ask(tmp_path / "libs" / "app", own) == (["first"] if found else [])
        assert ask(tmp_path / "libs" / "not", "") == []

    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ('[tool.poetry.dependencies]\nfirst = { path = "../first", develop = true }\n', ["first"]),
            ('[tool.poetry.dependencies]\nfirst = [{ git = "https://example.org/x.git" }]\n', ["first"]),
            ('[tool.poetry.dependencies]\nfirst = { url = "https://example.org/x.whl" }\n', ["first"]),
            ('[tool.poetry.dependencies]\nfirst = { file = "x.whl", markers = "os_name == \'nt\'" }\n', []),
            ('[tool.poetry.dependencies]\nfirst = { path = "x", platform = "win32" }\n', []),
            ('[tool.poetry.dependencies]\nfirst = { version = "*", source = "acme" }\n', ["first"]),
            ('[tool.poetry.dependencies]\nfirst = { version = "*", source = "PyPI" }\npython = "*"\n', []),
            ('[tool.poetry.group.dev.dependencies]\nfirst = { path = "../first" }\n', []),
            ('[tool.pdm.resolution.overrides]\nfirst = "git+https://example.org/x.git"\nsec-ond = ">=2"\n', ["first"]),
            ('[[tool.pdm.source]]\nurl = "https://a/"\nname = "a"\ninclude_packages = ["sec_*"]\n', ["sec-ond"]),
            ('[[tool.pdm.source]]\nurl = "https://a/"\nname = "a"\n', []),
            ('[tool.pdm.dev-dependencies]\ndev = ["-e file:///${PROJECT_ROOT}/first#egg=first"]\n', []),
        ],
    )
    def test_other_tools(self, tmp_path: Path, text: str, names: list[str]) -> None:
        assert refused(tmp_path, text) == names

    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ('[tool.hatch.envs.default.sources]\nfirst = "../first"\n', ["first"]),
            ('[tool.hatch.envs.x.sources]\nFirst = { git = "https://example.org/x.git" }\n', ["first"]),
            ('[tool.hatch.envs.x.sources]\nsec_ond = { url = "https://example.org/x.whl" }\n', ["sec-ond"]),
            ('[tool.hatch.envs.x.sources]\nfirst = { index = "https://acme.example/simple" }\n', ["first"]),
            ("[tool.hatch.envs.x.sources]\nfirst = { workspace = true }\n", ["first"]),
            ('[tool.hatch.envs.x.sources]\nfifth = "../fifth"\n', []),
            ('[tool.hatch.envs.x.workspace]\nmembers = ["libs/*", "none"]\n', ["first"]),
            ('[tool.hatch.envs.x.workspace]\nmembers = [{ path = "./libs/first" }]\n', ["first"]),
            ('[tool.hatch.envs.x.workspace]\nmembers = ["../bes*"]\n', ["sec-ond"]),
            ("[tool.hatch.envs]\nx = 1\n", []),
            ('[tool.hatch.envs.x.workspace]\nmembers = [{ features = ["a"] }, 1]\n', []),
        ],
    )
    def test_environments_of_hatch(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, names: list[str]
    ) -> None:
        root = tmp_path / "app"
        for directory, name in ((root / "libs" / "first", "First"), (tmp_path / "beside", "sec_ond")):
            directory.mkdir(parents=True)
            (directory / "pyproject.toml").write_text(f'[project]\nname = "{name}"\n')
        assert refused(root, text) == names
        if names:
            (root / "hatch.toml").write_text(text.replace("tool.hatch.", ""))
            assert refused(root, "") == names
            (root / "hatch.toml").write_text("[envs.other]\n")
            assert refused(root, text) == []  # which it hides
            (root / "hatch.toml").unlink()
        monkeypatch.setenv("HATCH_NO_SOURCES", "1")
        assert refused(root, text) == []

    def test_members_of_a_workspace(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """They are the project's own although no source says so, which uv wants."""
        for name in ("first", "sec-ond"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "pyproject.toml").write_text(f'[project]\nname = "{name}"\n')
        members = '[tool.uv.workspace]\nmembers = ["*"]\nexclude = ["sec*"]\n'
        assert refused(tmp_path, members) == ["first"]
        (tmp_path / "pyproject.toml").write_text(members)
        assert refused(tmp_path / "app", "") == ["first"]
        assert refused(tmp_path / "app", "[tool.uv.sources]\nfirst = { workspace = true }\n") == []
        monkeypatch.setenv("UV_NO_SOURCES", "1")
        assert refused(tmp_path / "app", "") == []

    @pytest.mark.parametrize(
        ("sources", "names"),
        [
            ([{"priority": "primary"}], ["All"]),
            ([{}], ["All"]),
            ([{"priority": "default"}], ["All"]),
            ([{"default": True}], ["All"]),
            ([{"priority": "explicit"}], []),
            ([{"priority": "supplemental"}], []),
            ([{"secondary": True}], []),
            ([{"priority": "primary"}, {"name": "PyPI", "priority": "supplemental"}], ["All"]),
            ([{"priority": "primary"}, {"name": "PyPI", "priority": "primary"}], []),
            ([{"name": "pypi-public"}], []),
        ],
    )
    def test_index_of_all_packages_for_poetry(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sources: list[dict[str, object]], names: list[str]
    ) -> None:
        complete = [{"name": "acme", "url": "https://acme.example/simple", **source} for source in sources]
        text = tomli_w.dumps({"tool": {"poetry": {"source": complete}}})
        assert refused(tmp_path, text) == names
        # What is not needed comes from nowhere.
        assert refused(tmp_path, text, metadata=[]) == []
        monkeypatch.setenv("UV_DEFAULT_INDEX", "https://acme.example/simple/")
        assert refused(tmp_path, text) == []

    def test_packages_that_poetry_has_elsewhere_than_all(self, tmp_path: Path) -> None:
        text = (
            '[[tool.poetry.source]]\nname = "acme"\nurl = "https://me:secret@acme.example/"\n'
            '[tool.poetry.dependencies]\nfirst = { version = "*", source = "PyPI" }\n'
        )
        assert refused(tmp_path, text, metadata=["first"]) == []
        with pytest.raises(AppImageError) as caught:
            check_declared(tmp_path, Scope(default_environment()), map(Requirement, ("first", "a", "b")), (), None)
        assert str(caught.value) == (
            "All packages come from the index https://acme.example/, says [[tool.poetry.source]], and uv does not read "
            "that: without a lock, what the public index has by their names would be packed. Run `poetry lock`, and "
            "set `lock` to the `poetry.lock` if that is not beside pyproject.toml, or have uv ask that index, by "
            "UV_DEFAULT_INDEX or in [[tool.uv.index]]"
        )

    def test_index_of_all_packages_counts_for_the_project_itself(self, tmp_path: Path) -> None:
        """A dependency in a directory may be developed with another index, of which Poetry asks nothing here."""
        other = tmp_path / "other"
        source = '[[tool.poetry.source]]\nname = "acme"\nurl = "https://acme.example/"\n'
        assert refused(other, source) == ["All"]
        assert refused(tmp_path, "") == []
        package = Package(
            name=canonicalize_name("first"),
            version=Version("1"),
            sdist=PackageSdist(url="https://x/first-1.tar.gz", hashes={}),
        )
        check_resolved([package], tmp_path, [other], Scope(default_environment()), ())
        with pytest.raises(AppImageError, match=r"^All packages come from"):
            check_resolved([package], other, [], Scope(default_environment()), ())

    def test_groups_of_other_tools(self, tmp_path: Path) -> None:
        poetry = '[tool.poetry.group.Dev.dependencies]\nfirst = { path = "../first" }\n'
        assert refused(tmp_path, poetry, groups=["dev"]) == ["first"]
        poetry = '[tool.poetry.dev-dependencies]\nfirst = { path = "../first" }\n'
        assert refused(tmp_path, poetry, groups=["dev"]) == ["first"]
        assert refused(tmp_path, poetry) == []
        pdm = '[tool.pdm.dev-dependencies]\ndev = ["-e file:///srv/first#egg=first", "sec-ond @ file:///srv/s", "x"]\n'
        assert refused(tmp_path, pdm, groups=["dev"]) == ["first", "sec-ond"]

    def test_direct_references(self, tmp_path: Path) -> None:
        """The back end may drop them from the metadata of the wheel."""
        (tmp_path / "pyproject.toml").write_text(PROJECT.replace("first>=1", "first @ {root:uri}/../first"))
        scope = Scope(default_environment())
        check_declared(tmp_path, scope, None, (), None)
        check_declared(tmp_path, scope, [Requirement("first @ file:///srv/first")], (), None)
        with pytest.raises(AppImageError, match=r"^first comes from \{root:uri\}/\.\./first, says \[project\],"):
            check_declared(tmp_path, scope, [Requirement("first")], (), None)

    def test_no_secrets(self, tmp_path: Path) -> None:
        (tmp_path / "pyproject.toml").write_text(PROJECT + '[tool.uv.sources]\nfirst = { index = "acme" }\n' + INDEX)
        with pytest.raises(AppImageError, match=r"^first comes from the index https://acme\.example/simple/, says "):
            check_declared(tmp_path, Scope(default_environment()), (), ["first"], None)

    @pytest.mark.parametrize("variable", ["UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX"])
    def test_index_that_is_asked_for_everything(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
    ) -> None:
        other = "" if variable == "UV_DEFAULT_INDEX" else "https://other.example/ "
        monkeypatch.setenv(variable, f"{other}acme=https://acme.example/simple")
        source = f'[tool.uv.sources]\nfirst = {{ index = "acme" }}\n{INDEX}'
        assert refused(tmp_path, source, metadata=(), requirements=["first"]) == []

    def test_index_of_the_workspace(self, tmp_path: Path) -> None:
        (tmp_path / "pyproject.toml").write_text(
            '[tool.uv.workspace]\nmembers = ["*"]\n[[tool.uv.index]]\nname = "corp"\nurl = "https://corp.example/"\n'
        )
        source = '[tool.uv.sources]\nfirst = { index = "corp" }\n'
        assert refused(tmp_path / "app", source, metadata=(), requirements=["first"]) == []

    def test_index_that_has_another_address_here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("UV_INDEX", "acme=https://mirror.example/simple")
        source = f'[tool.uv.sources]\nfirst = {{ index = "acme" }}\n{INDEX}'
        assert refused(tmp_path, source, metadata=(), requirements=["first"]) == []

    @pytest.mark.parametrize(
        ("python", "version", "here"),
        [
            ("<3.9", "3.12.1", False),
            ("<3.9", "3.8.1", True),
            (">=3.9,<3.13", "3.12.1", True),
            (">=3.14", "3.14.0rc1+", False),
            (">=3.14.0b1", "3.14.0rc1+", True),
            ("^2.7 || ^3.12", "3.12.1", True),  # not understood
        ],
    )
    def test_python_of_poetry(self, tmp_path: Path, python: str, version: str, here: bool) -> None:  # noqa: FBT001 - a parameter
        entry = f'first = {{ path = "../first", python = "{python}" }}'
        (tmp_path / "pyproject.toml").write_text(f"{PROJECT}[tool.poetry.dependencies]\n{entry}\n")
        environment = default_environment()
        environment["python_full_version"] = version
        assert [it.name for it in read_bindings(tmp_path, Scope(environment))] == (["first"] if here else [])

    @pytest.mark.parametrize("text", ["[tool]\nuv = 1\n", "[tool.uv]\nsources = []\n", "[tool]\npoetry = 1\npdm = 2\n"])
    def test_something_else(self, tmp_path: Path, text: str) -> None:
        assert refused(tmp_path, text) == []

    def test_something_else_around_it(self, tmp_path: Path) -> None:
        (tmp_path / "pyproject.toml").write_text("[broken")
        assert refused(tmp_path / "app", "[tool.uv.sources]\nfirst = { workspace = true }\n") == ["first"]

    def test_no_project(self, tmp_path: Path) -> None:
        assert read_bindings(tmp_path, Scope(default_environment())) == []


class TestWholeWay:
    """By the command, with an index that has strangers."""

    @pytest.fixture(autouse=True)
    def index(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
        for name in ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_FIND_LINKS"):
            monkeypatch.delenv(name, raising=False)
        for name in ("HATCH_VERBOSE", "HATCH_QUIET"):  # the command sets them for its process
            monkeypatch.setenv(name, "0")
        index = Index(tmp_path / "index")
        for name in ("first", "sec_ond", "third", "fourth", "fifth", "sixth", "transitive"):
            index.add(name, "9.0")
        with serve(index.directory) as served:
            monkeypatch.setenv("UV_INDEX", served.url)
            yield served

    def project(self, directory: Path, text: str) -> Path:
        root = directory / "app"
        root.mkdir(exist_ok=True)
        (root / "pyproject.toml").write_text(PROJECT + text)
        (root / "app.py").write_text("def main(): pass\n")
        self.member(root / "libs" / "first", "first")
        return root

    def member(self, directory: Path, name: str, *needed: str) -> None:
        """Write a project that others require."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{name.replace('.', '_')}.py").write_text("")
        (directory / "pyproject.toml").write_text(
            '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
            f'[project]\nname = "{name}"\nversion = "1.5"\ndependencies = {list(needed)}\n'
        )

    SOURCES = '[tool.uv.workspace]\nmembers = ["libs/*"]\n[tool.uv.sources]\nfirst = { workspace = true }\n'

    # Where it was when the project was not an unpacked sdist.
    GONE = '[tool.uv.sources]\nfirst = { path = "../first" }\n'

    def test_check(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        root = self.project(tmp_path, self.GONE)
        assert cli.main(["check", str(root)]) == 1
        assert capsys.readouterr().err.startswith("first comes from ../first, says [tool.uv.sources], and ")
        assert (
            cli.main(["check", str(root), "--set", 'requirements=["first @ file://${PROJECT_ROOT}/libs/first"]']) == 0
        )

    @pytest.mark.slow
    def test_refused(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        root = self.project(tmp_path, self.GONE)
        with pytest.raises(SystemExit):
            cli.main(["build", str(root)])
        assert "first comes from ../first" in capsys.readouterr().err
        assert not list(root.rglob("*.AppImage"))

    @pytest.mark.slow
    @pytest.mark.network
    def test_found_without_a_lock(self, tmp_path: Path, index: Index, capfd: pytest.CaptureFixture[str]) -> None:
        """Nobody asks the index for what the project has elsewhere."""
        own = Index(tmp_path / "own")
        wheel = own.add("fifth", "1.5")
        own.add("sixth", "1.5")
        for name in ("sec.ond", "fourth"):
            self.member(tmp_path / name, name)
        with serve(own.directory) as served:
            sources = [
                "[tool.uv.sources]",
                "first = { workspace = true }",
                f'sec_ond = {{ git = "{repository(tmp_path / "sec.ond")}" }}',
                'fourth = { path = "../fourth", editable = true }',
                f'fifth = {{ url = "{served.url}fifth/{wheel.name}" }}',
                'sixth = { index = "own" }',
                "[[tool.uv.index]]",
                'name = "own"',
                f'url = "{served.url}"',
                "explicit = true",
                "[tool.uv.workspace]",
                'members = ["libs/*"]',
            ]
            root = self.project(tmp_path, "\n".join(sources))
            file = root / "pyproject.toml"
            file.write_text(file.read_text().replace('"first>=1", ', '"first>=1", "fourth", "fifth", "sixth", '))
            assert cli.main(["build", str(root)]) == 0
        shown = capfd.readouterr()
        for name in ("first", "sec-ond", "fourth", "fifth", "sixth"):
            assert f"{name} 1.5" in shown.out + shown.err
        names = {path.split("/")[1] for path in index.asked}
        assert names.isdisjoint({"first", "sec-ond", "fourth", "fifth", "sixth"})

    @pytest.mark.slow
    @pytest.mark.network
    @pytest.mark.parametrize("locked", [False, True], ids=["unlocked", "locked"])
    def test_three_members(
        self,
        tmp_path: Path,
        index: Index,
        capfd: pytest.CaptureFixture[str],
        *,
        locked: bool,
    ) -> None:
        """One needs the next, and the index has a stranger for each."""
        index.add("app", "9.0")
        self.member(tmp_path / "first", "first", "fourth")
        self.member(tmp_path / "fourth", "fourth")
        members = '[tool.uv.workspace]\nmembers = ["app", "first", "fourth"]\n[tool.uv.sources]\n'
        sources = "first = { workspace = true }\nfourth = { workspace = true }\n"
        (tmp_path / "pyproject.toml").write_text(members + sources)
        root = self.project(tmp_path, "")
        if locked:
            subprocess.run([find_uv_bin(), "lock", "--quiet", "--python", sys.executable], cwd=tmp_path, check=True)
            index.add("sec_ond", "9.5")  # later than the lock
        assert cli.main(["build", str(root)]) == 0
        shown = "".join(capfd.readouterr())
        for package in ("first 1.5", "fourth 1.5", "sec-ond 9.0"):
            assert package in shown
        found = "uv.lock (found in the workspace; `lock = false` leaves it aside)"
        assert (found in shown) is locked
        assert {path.split("/")[1] for path in index.asked}.isdisjoint({"app", "first", "fourth"})

    @pytest.mark.slow
    @pytest.mark.network
    def test_transitive(self, tmp_path: Path, index: Index, capsys: pytest.CaptureFixture[str]) -> None:
        """Only a resolution tells; the tools that lock a project resolve every name once."""
        index.add("sec_ond", "9.1", requires=["transitive"])
        root = self.project(tmp_path, '[tool.uv.sources]\ntransitive = { path = "libs/first" }\n')
        assert cli.main(["check", str(root)]) == 0
        with pytest.raises(SystemExit):
            cli.main(["build", str(root)])
        assert "transitive comes from libs/first" in capsys.readouterr().err

    @pytest.mark.slow
    @pytest.mark.network
    @pytest.mark.parametrize("way", ["lock", "requirements", "wheel", "constraints"])
    def test_ways_out(self, tmp_path: Path, way: str, capfd: pytest.CaptureFixture[str]) -> None:
        """Each that the message names, and constraints."""
        root = self.project(tmp_path, self.SOURCES)
        make_wheel(root / "wheels", "first", {}, version="1.5")
        (root / "constraints.txt").write_text(f"first @ {(root / 'libs' / 'first').as_uri()}\n")
        settings = {
            "requirements": 'requirements=["first @ file://${PROJECT_ROOT}/libs/first"]',
            "wheel": 'requirements=["first @ file://${PROJECT_ROOT}/wheels/first-1.5-py3-none-any.whl"]',
            "constraints": "constraints=constraints.txt",
            "lock": 'name="App"',
        }
        if way == "lock":
            subprocess.run([find_uv_bin(), "lock", "--quiet", "--python", sys.executable], cwd=root, check=True)
        assert cli.main(["build", str(root), "--set", settings[way]]) == 0
        shown = capfd.readouterr()
        assert "first 1.5" in shown.out + shown.err
        assert "sec-ond 9.0" in shown.out + shown.err

    @pytest.mark.slow
    @pytest.mark.network
    @pytest.mark.parametrize("way", ["settings", "environment"])
    def test_known_index(
        self, tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch, way: str, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """An index that uv asks: uv does not write of any package which it is from."""
        url, more = (index.url, "") if way == "settings" else ("https://corp.example/", "explicit = true\n")
        source = '[tool.uv.sources]\nfirst = { index = "corp" }\n[[tool.uv.index]]\nname = "corp"\n'
        monkeypatch.setenv("UV_INDEX", "" if way == "settings" else f"corp={index.url}")
        root = self.project(tmp_path, f'{source}url = "{url}"\n{more}')
        assert cli.main(["build", str(root)]) == 0
        shown = capfd.readouterr()
        assert "first 9.0" in shown.out + shown.err

    @pytest.mark.slow
    @pytest.mark.network
    def test_index_that_only_a_member_knows(
        self, tmp_path: Path, index: Index, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """Nobody asks it for anything else."""
        (tmp_path / "pyproject.toml").write_text('[tool.uv.workspace]\nmembers = ["app"]\n')
        own = Index(tmp_path / "own")
        own.add("first", "1.5")
        own.add("sec_ond", "99.0")
        with serve(own.directory) as served:
            source = '[tool.uv.sources]\nfirst = { index = "corp" }\n[[tool.uv.index]]\nname = "corp"\n'
            root = self.project(tmp_path, f'{source}url = "{served.url}"\n')
            assert cli.main(["build", str(root)]) == 0
        shown = capfd.readouterr()
        assert "first 1.5" in shown.out + shown.err
        assert "sec-ond 9.0" in shown.out + shown.err
        assert "/first/" not in index.asked
