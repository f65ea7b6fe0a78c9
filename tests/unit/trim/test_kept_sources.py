# SPDX-License-Identifier: MIT
"""Which modules keep their sources where others have their bytecode only."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from hatch_appimage.layout import AppDir
from hatch_appimage.python import BundledPython
from hatch_appimage.sources.imports import Reached
from hatch_appimage.sources.reach import Reach
from hatch_appimage.sources.reader import SourceReader
from hatch_appimage.trim.kept_sources import find_kept_sources, find_modules

STDLIB = "usr/lib/python3.12"
SITE = f"{STDLIB}/site-packages"


class Image:
    """An AppDir with a standard library and packages in it."""

    def __init__(self, root: Path) -> None:
        self.appdir = AppDir(root, "app")
        self.site = root / SITE
        self.python = BundledPython(
            version="3.12.1",
            executable=root / "usr/libexec/python3.12",
            stdlib=root / STDLIB,
            site_packages=(self.site,),
            interpreter=Path("/python"),
            origin=Path("/"),
        )
        for name in ("os.py", "codecs.py", "encodings/__init__.py", "encodings/aliases.py", "encodings/utf_8.py"):
            self.write(f"{STDLIB}/{name}", "")

    def write(self, name: str, text: str) -> None:
        path = self.appdir.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def add(self, files: dict[str, str], package: str = "app", requires: tuple[str, ...] = ()) -> None:
        """Install a package."""
        info = f"{package}-1.0.dist-info"
        lines = [f"Name: {package}", "Version: 1.0", *(f"Requires-Dist: {each}" for each in requires)]
        files = {**files, f"{info}/METADATA": "Metadata-Version: 2.1\n" + "\n".join(lines) + "\n"}
        for name, text in files.items():
            self.write(f"{SITE}/{name}", text)
        with (self.site / info / "RECORD").open("w") as record:
            csv.writer(record).writerows([name, "", ""] for name in [*files, f"{info}/RECORD"])

    def kept(
        self, *patterns: str, reached: tuple[str, ...] = (), exposed: bool = False, project: str = "App"
    ) -> dict[str, str]:
        """Return the sources that are kept, with the reasons."""
        reach = Reach({name: Reached(self.site / name, None) for name in reached}, frozenset())
        found = find_kept_sources(
            find_modules(self.appdir, self.python),
            self.python,
            project,
            reach,
            patterns,
            exposed=exposed,
            reader=SourceReader(),
        )
        places = {path: each.reason for each in found for path in each.paths}
        first = {"codecs.py", "encodings/__init__.py", "encodings/aliases.py"}
        stdlib = {str(path.relative_to(self.python.stdlib)): reason for path, reason in places.items()}
        assert exposed or {name: stdlib.pop(name) for name in first} == dict.fromkeys(
            first, "Python imports them before all others"
        )
        return {name.removeprefix("site-packages/"): reason for name, reason in stdlib.items()}

    @property
    def modules(self) -> set[str]:
        """The places of all modules in packages."""
        return {str(each.place) for each in find_modules(self.appdir, self.python) if each.owner}


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return Image(tmp_path)


class TestModules:
    def test_what_is_imported_by_name(self, image: Image) -> None:
        names = {
            *("single.py", "app/__init__.py", "app/__main__.py", "app/sub/__init__.py", "app/sub/0001_initial.py"),
            *("space/part/__init__.py", "space/part/a.py", "space/bare.py"),
        }
        image.add(dict.fromkeys(names, ""))
        assert image.modules == names

    def test_what_is_data(self, image: Image) -> None:
        image.add(
            dict.fromkeys(
                [
                    "app/__init__.py",
                    "app/templates/tool.py",
                    "app/templates/{{ name }}/__init__.py",
                    "app/templates/pkg/__init__.py",
                    "{{ name }}/__init__.py",
                    "app/run-me.py",
                    "app-1.0.dist-info/licenses/a.py",
                ],
                "",
            )
        )
        image.write("usr/bin/tool.py", "")
        image.write("usr/share/app/plugin.py", "")
        assert image.modules == {"app/__init__.py"}

    def test_what_links_lead_to(self, image: Image) -> None:
        image.add({"app/__init__.py": "", "app/a.py": "", "app/b.py": ""})
        (image.appdir.root / "usr/bin").mkdir()
        (image.appdir.root / "usr/bin/tool.py").symlink_to(image.site / "app/a.py")
        assert image.modules == {"app/__init__.py", "app/b.py"}


def test_nothing_without_a_reason(image: Image) -> None:
    image.add({"app/__init__.py": "import os\nprint(os.path.dirname(__file__))", "app/__main__.py": ""})
    assert image.kept() == {}


def test_what_is_named(image: Image) -> None:
    image.add({"app/__init__.py": "run('worker.py')", "app/sub/worker.py": "", "app/sub/__init__.py": "", "two.py": ""})
    image.add({"other/__init__.py": "run('two.py')", "other/worker.py": ""}, "other")
    reason = "app/__init__.py names them"
    assert image.kept() == {"app/sub/worker.py": reason, "other/worker.py": reason}, (
        "the project knows its dependencies"
    )
    assert image.kept(project="none") == {"app/sub/worker.py": reason}


def test_names_that_every_package_has(image: Image) -> None:
    image.add({"app/__init__.py": "(path / '__init__.py').exists()", "app/a/__init__.py": "", "app/a/__main__.py": ""})
    image.add({"other/__init__.py": ""}, "other")
    assert set(image.kept()) == {"app/__init__.py", "app/a/__init__.py"}


def test_what_is_looked_for_in_given_packages(image: Image) -> None:
    """Hydra takes what has no `__init__.py` for no package with configurations, and is given its name."""
    image.add({"conf.py": "any(f.name == '__init__.py' for f in importlib.resources.files(name).iterdir())"}, "hydra")
    image.add(dict.fromkeys(["app/__init__.py", "app/conf/__init__.py", "app/a.py"], ""), requires=("Hydra>=1",))
    image.add({"other/__init__.py": ""}, "other")
    reason = "conf.py looks for them in the packages that it is given"
    assert image.kept() == {"app/__init__.py": reason, "app/conf/__init__.py": reason}


def test_what_is_named_by_the_end_of_its_path(image: Image) -> None:
    image.add({"app/__init__.py": "a = './jobs/run.py'", **dict.fromkeys(["app/jobs/run.py", "app/my_run.py"], "")})
    image.add(dict.fromkeys(["app/jobs/__init__.py", "app/run.py"], ""), "more")
    assert image.kept() == {"app/jobs/run.py": "app/__init__.py names them"}


def test_what_is_listed(image: Image) -> None:
    text = "for path in Path(__file__).parent.glob('*.py'): load(path)"
    others = dict.fromkeys(["dep/__init__.py", "dep/plugins/a.py", "dep/plugins/sub/__init__.py"], "")
    image.add({**others, "dep/plugins/__init__.py": text}, "dep")
    assert set(image.kept()) == {"dep/plugins/__init__.py", "dep/plugins/a.py", "dep/plugins/sub/__init__.py"}
    assert set(image.kept().values()) == {"dep/plugins/__init__.py looks for sources"}


class TestListedElsewhere:
    """Pylint lists `pylint/extensions` in `pylint/config`; Ansible finds `ansible/modules` in `ansible/plugins`."""

    FILES = ("dep/__init__.py", "dep/config/__init__.py", "dep/extensions/__init__.py", "dep/extensions/a.py")

    @pytest.fixture(autouse=True)
    def packages(self, image: Image) -> None:
        text = "for path in Path(extensions.__file__).parent.iterdir(): path.suffix == '.py'"
        cli = {"dep/cli.py": "import dep.config.utils"}
        image.add({**dict.fromkeys(self.FILES, ""), "dep/config/utils.py": text, **cli}, "dep")
        image.add({"other/__init__.py": ""}, "other")

    @property
    def whole(self) -> dict[str, str]:
        names = (*self.FILES, "dep/config/utils.py", "dep/cli.py")
        return dict.fromkeys(names, "dep/config/utils.py looks for sources")

    def test_keeps_the_whole_package(self, image: Image) -> None:
        assert image.kept(reached=("dep/config/utils.py",)) == self.whole

    def test_where_a_command_imports_it(self, image: Image) -> None:
        """The application may start `ansible-playbook`, and import nothing of Ansible."""
        image.write(f"{SITE}/dep-1.0.dist-info/entry_points.txt", "[console_scripts]\ndep = dep.cli:main\n")
        assert image.kept() == self.whole

    def test_not_where_nothing_imports_it(self, image: Image) -> None:
        assert set(image.kept()) == {"dep/config/__init__.py", "dep/config/utils.py"}


def test_what_reads_itself(image: Image) -> None:
    image.add({"app/__init__.py": "", "app/quine.py": "print(open(__file__).read())"})
    assert image.kept() == {"app/quine.py": "they do something with their own paths"}


class TestReadersOfOthers:
    """Packages such as torch and numba read the sources of functions that they are given."""

    @pytest.fixture(autouse=True)
    def packages(self, image: Image) -> None:
        image.add({"jit/__init__.py": "", "jit/script.py": "def script(f): return inspect.getsource(f)"}, "jit")
        image.add({"vision.py": ""}, "vision", ("Jit>=1; extra == 'fast'",))
        image.add({"plain.py": ""}, "plain")
        image.add({"app/__init__.py": ""}, "app", ("vision", "plain"))

    def test_keeps_those_that_depend_on_it(self, image: Image) -> None:
        kept = image.kept(reached=("jit/script.py",))
        assert set(kept) == {"jit/__init__.py", "jit/script.py", "vision.py", "app/__init__.py"}
        assert set(kept.values()) == {"jit/script.py reads the sources of what it is given"}

    def test_not_where_nothing_imports_it(self, image: Image) -> None:
        assert image.kept(reached=("jit/__init__.py",)) == {}


def test_what_the_project_wants(image: Image) -> None:
    image.add(dict.fromkeys(["app/__init__.py", "app/plugins/__init__.py", "app/plugins/a.py", "two.py"], ""))
    kept = image.kept("app/plugins", "t*.py", "os.py")
    assert kept == dict.fromkeys(
        ["app/plugins/__init__.py", "app/plugins/a.py", "two.py", "os.py"], "`keep-sources` names them"
    )


def test_tests_beside_pytest(image: Image) -> None:
    names = ["app/__init__.py", "app/test_a.py", "app/b_test.py", "app/conftest.py"]
    image.add(dict.fromkeys(names, ""))
    assert image.kept() == {}
    image.add({"pytest.py": ""}, "pytest")
    assert image.kept() == dict.fromkeys(names[1:], "pytest finds tests by them")


@pytest.mark.parametrize("name", ["astroid", "jedi", "rope"])
def test_standard_library_beside_analysers(image: Image, name: str) -> None:
    """Pylint says of `import os` that it is no Python where only the bytecode is there."""
    image.add({"app/__init__.py": "", f"{name}/__init__.py": ""}, name)
    reason = f"{name} parses what the code that it is given imports"
    kept = image.kept()
    assert (kept["os.py"], kept["encodings/utf_8.py"]) == (reason, reason)
    assert set(kept.values()) == {reason}
    assert {"app/__init__.py", f"{name}/__init__.py"}.isdisjoint(kept)


def test_migrations_of_alembic(image: Image) -> None:
    names = ["app/__init__.py", "app/db/__init__.py", "app/db/env.py", "app/db/versions/__init__.py"]
    image.add({**dict.fromkeys([*names, "app/db/versions/a1.py"], ""), "app/db/script.py.mako": ""})
    kept = image.kept()
    assert set(kept) == {*names[1:], "app/db/versions/a1.py"}
    assert set(kept.values()) == {"Alembic runs them by their paths"}


def test_exposed_interpreter_has_its_standard_library(image: Image) -> None:
    image.add({"app/__init__.py": ""})
    kept = image.kept(exposed=True)
    assert {"os.py", "codecs.py", "encodings/utf_8.py"} < set(kept)
    assert "app/__init__.py" not in kept


def test_requirements_that_are_none(image: Image) -> None:
    image.add({"app/__init__.py": ""}, requires=("no requirement at all",))
    assert image.kept(reached=("app/__init__.py",)) == {}
