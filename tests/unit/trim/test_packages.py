# SPDX-License-Identifier: MIT
"""What is left out of the installed packages, and what stays because something uses it."""

from __future__ import annotations

from importlib.metadata import PathDistribution
from typing import TYPE_CHECKING, ClassVar

import pytest

from hatch_appimage.python.installed import update_records
from hatch_appimage.sources.imports import Reached
from hatch_appimage.sources.reach import Reach
from hatch_appimage.trim.packages import EXCLUDED, Saved, Trimmed
from hatch_appimage.trim.settings import DOCS, HEADERS, STUBS, TESTS
from hatch_appimage.trim.test_directories import is_of_tests
from support.installed_image import Image

if TYPE_CHECKING:
    from pathlib import Path

TESTED = {"pkg/__init__.py": "", "pkg/tests/__init__.py": "", "pkg/tests/test_a.py": "A = 1\n", "pkg/tests/a.csv": "1"}


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return Image(tmp_path)


class TestTests:
    def test_unused(self, image: Image) -> None:
        image.add(TESTED)
        result = image.trim("tests")
        assert image.files == {"pkg/__init__.py"}
        assert not (image.site / "pkg/tests").exists()
        assert result == Trimmed({"tests": Saved(3, 7)}, modules={"pkg.tests": "tests"})

    def test_records_are_true_afterwards(self, image: Image) -> None:
        image.add(TESTED)
        image.trim("tests")
        update_records(image.python)
        files = PathDistribution(image.site / "pkg-1.0.dist-info").files
        assert files
        assert {str(file) for file in files if ".dist-info" not in str(file)} == {"pkg/__init__.py"}

    def test_not_wanted(self, image: Image) -> None:
        image.add(TESTED)
        assert image.trim() == Trimmed({})
        assert image.files == set(TESTED)

    @pytest.mark.parametrize(
        "source",
        [
            "from pkg.tests import test_a",
            "from pkg import (\n    other,\n    tests,\n)",
            "from . import tests",
            "from .tests.test_a import A",
            "def load():\n    import pkg.tests.test_a",
            "try:\n    from .tests import A\nexcept ImportError:\n    pass",
            "import importlib\nimportlib.import_module('pkg.tests')",
            "import importlib\ndef load(name):\n    return importlib.import_module(f'{name}.tests')",
            "import importlib\ndef load(name):\n    return importlib.import_module('.tests', name)",
            "__all__ = ['tests']",
            "_lazy = ['other', 'tests']\ndef __getattr__(name):\n    if name in _lazy:\n        return load(name)",
            "def __getattr__(name):\n    if name == 'tests':\n        return load(name)",
            "import os\nHERE = os.path.join(os.path.dirname(__file__), 'tests')",
            "import os\ndef data():\n    return open(os.path.join(os.path.dirname(__file__), 'tests', 'a.csv'))",
            "from pathlib import Path\ndef data():\n    return (Path(__file__).parent / 'tests' / 'a.csv').read_text()",
            "from importlib import resources\ndef data():\n    return resources.files('pkg').joinpath('tests/a.csv')",
            "import pkgutil\ndef data():\n    return pkgutil.get_data('pkg', 'tests/a.csv')",
            "PLUGIN = 'pkg.tests.test_a:A'",
            "CODE = 'import sys; from pkg.tests import A'",
            "CODE = '''python -m pkg/tests/test_a.py'''",
            "PATTERN = '*/tests/*.csv'",
            "print 'no Python 3', pkg.tests",
        ],
    )
    def test_used_by_its_package(self, image: Image, source: str) -> None:
        image.add({**TESTED, "pkg/use.py": source, "pkg/__init__.py": source})
        result = image.trim("tests")
        assert set(TESTED) <= image.files
        assert list(result.kept) == ["pkg/tests"]
        assert result.kept["pkg/tests"].endswith("names it")

    @pytest.mark.parametrize(
        "source",
        [
            '"""See pkg.tests and tests/a.csv."""',
            "# from .tests import A",
            "import typing\nif typing.TYPE_CHECKING:\n    from .tests import A",
            "def ours(path):\n    return path.startswith(('pkg.tests', 'tests'))",
            (
                "import os\ndef ours(path, here):\n    tests = os.path.join(here, 'tests') + os.sep\n"
                "    return path.startswith(tests)"
            ),
            "import re\nOURS = re.compile(r'pkg[.]tests|\\.(?!tests\\.)')",
            "def __dir__():\n    return globals().keys() - {'tests'}",
            "def test():\n    import pytest\n    pytest.main(['--pyargs', 'pkg.tests'])",
            "import pytest\nfrom .tests import A",
            "print('running all tests of pkg')",
            "def tests(): return 1",
        ],
    )
    def test_not_used_by_its_package(self, image: Image, source: str) -> None:
        image.add({**TESTED, "pkg/use.py": source})
        assert image.trim("tests").kept == {}
        assert image.files == {"pkg/__init__.py", "pkg/use.py"}

    def test_used_by_another_package(self, image: Image) -> None:
        image.add(TESTED)
        image.add({"other.py": "import pkg.tests.test_a"}, "other")
        assert image.trim("tests").kept == {"pkg/tests": "other.py names it"}

    def test_same_name_in_another_package(self, image: Image) -> None:
        image.add(TESTED)
        image.add({"other.py": "NAMES = ['tests', './tests', 'sub/tests', 'other.tests']"}, "other")
        assert image.trim("tests").kept == {}

    def test_beside_a_package_around_the_source(self, image: Image) -> None:
        inner = {"pkg/in/__init__.py": "", "pkg/in/tests/test_b.py": "", "pkg/sub/use.py": "open('tests')"}
        image.add({**TESTED, **inner})
        assert list(image.trim("tests").kept) == ["pkg/tests"]
        assert "pkg/in/tests/test_b.py" not in image.files

    def test_used_by_tests_that_go_as_well(self, image: Image) -> None:
        image.add({**TESTED, "pkg/in/tests/test_b.py": "from pkg.tests import A"})
        assert image.trim("tests").kept == {}

    def test_used_by_tests_that_stay(self, image: Image) -> None:
        image.add({**TESTED, "pkg/in/tests/test_b.py": "from pkg.tests import A", "pkg/use.py": "import pkg.in.tests"})
        kept = image.trim("tests").kept
        assert kept == {"pkg/in/tests": "pkg/use.py names it", "pkg/tests": "pkg/in/tests/test_b.py names it"}

    def test_used_by_an_extension_module(self, image: Image) -> None:
        image.add({**TESTED, "pkg/_fast.abi3.so": "\x7fELF\0PyInit__fast\0pkg.tests.test_a\0"})
        assert list(image.trim("tests").kept) == ["pkg/tests"]

    @pytest.mark.parametrize("group", ["console_scripts", "my_app.plugins"])
    def test_used_by_an_entry_point(self, image: Image, group: str) -> None:
        image.add(TESTED, entry_points=f"[{group}]\nrun = pkg.tests:main\n")
        assert list(image.trim("tests").kept) == ["pkg/tests"]

    def test_used_by_a_file_of_the_project(self, image: Image) -> None:
        image.add(TESTED)
        (image.root / "plugin.yaml").write_text("class: pkg.tests.test_a.A")
        assert list(image.trim("tests").kept) == ["pkg/tests"]

    def test_used_by_the_application(self, image: Image) -> None:
        image.add(TESTED)
        reach = Reach({"pkg.tests": Reached(image.site / "pkg/tests/__init__.py", None)}, frozenset())
        assert image.trim("tests", reach=reach).kept == {"pkg/tests": "pkg.tests imports it"}

    def test_pytest_is_installed(self, image: Image) -> None:
        image.add(TESTED)
        image.add({"pytest/__init__.py": ""}, "pytest")
        assert image.trim("tests").kept == {"pkg/tests": "pytest is installed, which runs them"}

    @pytest.mark.parametrize(
        "name",
        [
            "pkg/tests.py",  # of jinja2
            "pkg/testing/__init__.py",
            "pkg/testing/test_helpers.py",
            "pkg/_testing/test_a.py",
            "pkg/test/client.py",  # of django
            "pkg/tests/abstract.py",  # of fsspec
            "pkg/templates/test/index.html",
            "pkg/latest/test_a.py",
        ],
    )
    def test_no_tests(self, image: Image, name: str) -> None:
        image.add({"pkg/__init__.py": "", name: ""})
        assert image.trim("tests") == Trimmed({})
        assert name in image.files

    def test_of_the_project(self, image: Image) -> None:
        image.add(TESTED, "my-app")
        assert image.trim("tests") == Trimmed({})

    def test_what_no_record_lists(self, image: Image) -> None:
        image.add(TESTED)
        (image.site / "pkg/tests/mine.py").write_text("")
        mine = image.site / "pkg/tests/a.csv"
        result = image.trim("tests", extra=(mine,))
        assert image.files == {"pkg/__init__.py", "pkg/tests/mine.py", "pkg/tests/a.csv"}
        assert result.modules == {"pkg.tests.test_a": "tests"}


class TestStubs:
    FILES: ClassVar[dict[str, str]] = {
        "pkg/__init__.py": "",
        "pkg/__init__.pyi": "",
        "pkg/py.typed": "",
        "pkg/_fast.pyi": "",
    }

    def test_unused(self, image: Image) -> None:
        image.add(self.FILES)
        image.trim("stubs")
        assert image.files == {"pkg/__init__.py", "pkg/py.typed"}

    @pytest.mark.parametrize("name", ["attach_stub(__name__, '__init__.pyi')", "path.suffix == '.pyi'"])
    def test_read_by_a_tool(self, image: Image, name: str) -> None:
        """As jedi, mypy and lazy_loader do."""
        image.add(self.FILES)
        image.add({"tool.py": name}, "tool")
        assert image.trim("stubs") == Trimmed({})

    def test_listed_by_an_editor(self, image: Image) -> None:
        image.add(self.FILES)
        image.add({"pygments.py": "filenames = ['*.py', '*.pyi']"}, "pygments")
        assert "stubs" in image.trim("stubs").groups


class TestHeaders:
    FILES: ClassVar[dict[str, str]] = {
        "pkg/__init__.py": "",
        "pkg/_fast.cpython-312-x86_64-linux-gnu.so": "",
        "pkg/_fast.pyx": "",
        "pkg/_fast.c": "",
        "pkg/_fast.pxd": "",
        "pkg/template.c": "",
        "pkg/include/pkg/a.h": "",
        "pkg/lib/libpkg.a": "",
        "pkg/lib/pkgconfig/pkg.pc": "",
    }
    LEFT: ClassVar[set[str]] = {"pkg/__init__.py", "pkg/_fast.cpython-312-x86_64-linux-gnu.so", "pkg/template.c"}

    def test_unused(self, image: Image) -> None:
        image.add(self.FILES)
        assert image.trim("headers").groups == {"headers": Saved(6, 0)}
        assert image.files == self.LEFT

    def test_only_told_where_they_are(self, image: Image) -> None:
        tells = "import os\ndef get_include():\n    return os.path.join(os.path.dirname(__file__), 'include')"
        image.add({**self.FILES, "pkg/__init__.py": tells})
        image.trim("headers")
        assert image.files == self.LEFT

    @pytest.mark.parametrize("source", ["import pkg\npkg.get_include()", "CODE = 'print(pkg.get_include())'"])
    def test_another_package_asks_for_them(self, image: Image, source: str) -> None:
        image.add(self.FILES)
        image.add({"other.py": source}, "other")
        image.trim("headers")
        assert {"pkg/include/pkg/a.h", "pkg/lib/libpkg.a"} <= image.files

    @pytest.mark.parametrize("source", ["open('a.h')", "SUFFIXES = ['.h']", "import os\nos.path.join(x, 'include')"])
    def test_named_by_its_package(self, image: Image, source: str) -> None:
        image.add({**self.FILES, "pkg/use.py": source})
        image.trim("headers")
        assert {"pkg/include/pkg/a.h", "pkg/_fast.c"} <= image.files
        assert "pkg/_fast.pyx" not in image.files

    def test_cython_is_installed(self, image: Image) -> None:
        image.add(self.FILES)
        image.add({"Cython/__init__.py": ""}, "Cython")
        image.trim("headers")
        assert {"pkg/_fast.pyx", "pkg/_fast.pxd"} <= image.files

    def test_package_for_compilers(self, image: Image) -> None:
        """As pybind11, ziglang and nvidia-cuda-runtime are."""
        files = {"pkg/__init__.py": "", "pkg/include/a.h": "", "pkg/lib/libz.so": "", "pkg/b.a": ""}
        image.add(files)
        assert image.trim("headers") == Trimmed({})


class TestDocs:
    FILES: ClassVar[dict[str, str]] = {
        "pkg/__init__.py": "",
        "pkg/doc/index.html": "",
        "../../../share/man/man1/pkg.1": "",
        "../../../share/doc/pkg/index.html": "",
        "../../../share/doc/pkg/LICENSE.txt": "",
        "../../../share/pkg/data": "",
    }

    def test_unused(self, image: Image) -> None:
        image.add(self.FILES)
        assert image.trim("docs").groups == {"docs": Saved(2, 0)}
        share = image.root / "usr" / "share"
        assert {str(path.relative_to(share)) for path in share.rglob("*") if path.is_file()} == {
            "doc/pkg/LICENSE.txt",
            "pkg/data",
        }
        assert "pkg/doc/index.html" in image.files

    @pytest.mark.parametrize("source", ["DOC = '../share/doc/pkg'", "import os\nos.path.join(prefix, 'share', 'doc')"])
    def test_named(self, image: Image, source: str) -> None:
        image.add({**self.FILES, "pkg/__init__.py": source})
        assert image.trim("docs") == Trimmed({})


class TestGlobs:
    def test_exclude(self, image: Image) -> None:
        image.add({"pkg/__init__.py": "", "pkg/a/__init__.py": "", "pkg/a/b.py": "xy", "pkg/c.py": "", "pkg/d.txt": ""})
        result = image.trim(exclude=("pkg/a", "pkg/c.*", "pkg/d.txt"))
        assert image.files == {"pkg/__init__.py"}
        assert result.groups == {EXCLUDED: Saved(4, 2)}
        assert result.modules == {"pkg.a": EXCLUDED, "pkg.c": EXCLUDED}

    def test_own_package_and_files_elsewhere(self, image: Image) -> None:
        image.add({**TESTED, "../../../share/app/x": ""}, "my-app")
        image.trim(exclude=("pkg/tests/*", "share/app/*"))
        assert image.files == {"pkg/__init__.py"}
        assert not (image.root / "usr/share").exists()

    def test_keep_wins(self, image: Image) -> None:
        image.add(TESTED)
        assert image.trim("tests", exclude=("pkg/tests/*",), keep=("pkg/tests/",)) == Trimmed({})
        image.trim("tests", keep=("*.csv",))
        assert image.files == {"pkg/__init__.py", "pkg/tests/a.csv"}

    def test_metadata_stays(self, image: Image) -> None:
        image.add(TESTED)
        image.trim(exclude=("*",))
        assert (image.site / "pkg-1.0.dist-info" / "METADATA").exists()
        assert image.files == set()

    def test_standard_library(self, image: Image) -> None:
        image.add_stdlib(
            {"os.py": "", "sqlite3/__init__.py": "", "sqlite3/dump.py": "", "wave.py": "", "notes.txt": ""}
        )
        image.add({"pkg/__init__.py": "", "pkg/notes.txt": ""})
        result = image.trim(
            exclude=("lib*/python3*/sqlite3", "lib/python3.12/wave.py", "*.txt"), keep=("lib/*/dump.py",)
        )
        assert image.stdlib == {"os.py", "sqlite3/dump.py", "notes.txt"}
        assert image.files == {"pkg/__init__.py"}
        assert result.modules == {"sqlite3": EXCLUDED, "wave": EXCLUDED}

    def test_no_match(self, image: Image, caplog: pytest.LogCaptureFixture) -> None:
        image.add(TESTED)
        image.trim(exclude=("nothing/*",))
        assert caplog.messages == [
            "`exclude-files` matches no file of an installed package or the standard library: nothing/*"
        ]


def test_all_groups_at_once(image: Image) -> None:
    image.add({**TESTED, **TestHeaders.FILES, **TestStubs.FILES, **TestDocs.FILES})
    groups = [TESTS, STUBS, HEADERS, DOCS]
    assert list(image.trim(*groups).groups) == groups


@pytest.mark.parametrize(("package", "tests"), [("a.tests.b", True), ("test", True), ("a.testing", False), ("", False)])
def test_packages_of_tests(package: str, *, tests: bool) -> None:
    assert is_of_tests(package) is tests
