# SPDX-License-Identifier: MIT
"""Which modules of Qt are left out of an image, and what keeps them."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.sources.qml import embedded_imports, qml_imports, read_entries, read_resources
from hatch_appimage.trim import qt_modules
from hatch_appimage.trim.qt_modules import catalogs_named_in
from support.elf_fixtures import library, make_elf
from support.installed_image import Image

if TYPE_CHECKING:
    from pathlib import Path

LIB, PLUGINS, QML, TEXTS = (f"PySide6/Qt/{name}" for name in ("lib", "plugins", "qml", "translations"))


def elf(*needed: str, texts: bytes = b"") -> bytes:
    """Return an ELF file that needs Qt's libraries, by their short names, and has some strings."""
    return make_elf(library("", *(f"libQt6{name}.so.6" for name in needed))) + b"\0" + texts + b"\0"


def catalog(*dependencies: str) -> bytes:
    """Return a catalogue of translations that refers to others."""
    names = b"".join(
        len(text).to_bytes(4, "big") + text for name in dependencies for text in [name.encode("utf-16-be")]
    )
    return bytes(16) + b"\xa7\0\0\0\x02de" + b"\x96" + len(names).to_bytes(4, "big") + names


#: As the wheels have them, and much smaller.
BINDING: dict[str, str | bytes] = {
    "PySide6/__init__.py": "import os\n",
    "PySide6/QtCore.abi3.so": elf("Core"),
    "PySide6/QtCore.pyi": "",
    "PySide6/QtGui.abi3.so": elf("Gui", texts=b"PySide6.QtCore"),
    "PySide6/QtWidgets.abi3.so": elf("Widgets", texts=b"PySide6.QtGui"),
    "PySide6/QtSvg.abi3.so": elf("Svg", texts=b"PySide6.QtGui"),
    "PySide6/QtSvgWidgets.abi3.so": elf("SvgWidgets", texts=b"PySide6.QtSvg\0QSvgWidget"),
    "PySide6/QtSvgWidgets.pyi": "",
    "PySide6/QtQml.abi3.so": elf("Qml", texts=b"PySide6.QtCore"),
    "PySide6/QtPdf.abi3.so": elf("Pdf", texts=b"PySide6.QtGui"),
    "PySide6/QtWebEngineCore.abi3.so": elf("WebEngineCore", texts=b"PySide6.QtGui"),
    "PySide6/designer": elf("Widgets", "Designer"),
    "PySide6/scripts/pyside_tool.py": "TOOLS = ['designer']\n",
    "PySide6/glue/qtcore.cpp": "",
    f"{LIB}/libQt6Core.so.6": elf(),
    f"{LIB}/libQt6Gui.so.6": elf("Core", texts=b"/platforms\0/imageformats"),
    f"{LIB}/libQt6Widgets.so.6": elf("Gui"),
    f"{LIB}/libQt6Svg.so.6": elf("Gui"),
    f"{LIB}/libQt6SvgWidgets.so.6": elf("Svg", "Widgets"),
    f"{LIB}/libQt6Qml.so.6": elf("Core", texts=b"import QtQml"),
    f"{LIB}/libQt6Quick.so.6": elf("Qml", "Gui"),
    f"{LIB}/libQt6Pdf.so.6": elf("Gui") + bytes(2000),
    f"{LIB}/libQt6Designer.so.6": elf("Widgets"),
    f"{LIB}/libQt6WebEngineCore.so.6": elf("Gui"),
    f"{PLUGINS}/platforms/libqxcb.so": elf("Gui"),
    f"{PLUGINS}/imageformats/libqsvg.so": elf("Gui", "Svg"),
    f"{PLUGINS}/imageformats/libqpdf.so": elf("Gui", "Pdf"),
    f"{QML}/QtQml/qmldir": "module QtQml\n",
    f"{QML}/QtQuick/qmldir": "module QtQuick\nplugin qtquick2plugin\nimport QtQml auto\n",
    f"{QML}/QtQuick/plugins.qmltypes": "",
    f"{QML}/QtQuick/libqtquick2plugin.so": elf("Quick"),
    f"{QML}/QtQuick/Controls/qmldir": "module QtQuick.Controls\ndepends QtQuick auto\n",
    f"{QML}/QtQuick/Controls/images/a.png": "",
    "PySide6/Qt/libexec/QtWebEngineProcess": elf("WebEngineCore"),
    "PySide6/Qt/resources/icudtl.dat": "",
    f"{TEXTS}/qtbase_de.qm": catalog(),
    f"{TEXTS}/qt_de.qm": catalog("qtbase_de", "qtscript_de"),
    f"{TEXTS}/qtscript_de.qm": catalog(),
    f"{TEXTS}/qtdeclarative_de.qm": catalog(),
    f"{TEXTS}/designer_de.qm": catalog(),
}
SMALLEST = {"PySide6/__init__.py", "PySide6/QtCore.abi3.so", "PySide6/QtCore.pyi", f"{LIB}/libQt6Core.so.6"} | {
    f"{TEXTS}/{name}_de.qm" for name in ("qt", "qtbase", "qtscript")
}


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Image:
    monkeypatch.setattr(qt_modules, "_MAX_FOR_PLUGIN", len(elf("Gui")) + 1000)
    image = Image(tmp_path)
    image.add(BINDING, "PySide6")
    return image


def staying(image: Image, **files: str | bytes) -> set[str]:
    """Return the names of the extension modules and Qt libraries that stay, without what all have in them."""
    image.add({name.replace("__", "/").replace("_dot_", "."): text for name, text in files.items()})
    image.trim_qt()
    names = {path.rpartition("/")[2].split(".")[0] for path in image.files if path.startswith("PySide6/Q")}
    return {name for name in names if name.startswith(("Qt", "lib"))}


def modules(image: Image, source: str) -> set[str]:
    """Return the names of the extension modules that stay beside a package with this source."""
    return {name for name in staying(image, app_dot_py=source) if name.startswith("Qt") and "Process" not in name}


class TestModules:
    def test_smallest(self, image: Image) -> None:
        image.add({"app.py": "from PySide6.QtCore import QObject\n"})
        result = image.trim_qt()
        assert image.files == SMALLEST | {"app.py"}
        assert result.modules["PySide6.QtQml"] == "qt"
        assert result.kept == {"PySide6.QtCore": "app.py names it"}
        assert result.groups["qt"].files == len(BINDING) - len(SMALLEST)

    @pytest.mark.parametrize("option", ["exposed", "unwanted", "unknown", "unused"])
    def test_all_stays(self, image: Image, option: str) -> None:
        source = {"unknown": "import PySide6.QtCore\nimport sys\nsys.path.append(x)", "unused": "import os"}
        image.add({"app.py": source.get(option, "import PySide6.QtCore\n")})
        result = image.trim_qt(exposed=option == "exposed", wanted=option != "unwanted", own=("app.py",))
        assert image.files == BINDING.keys() | {"app.py"}
        assert not result.groups

    @pytest.mark.parametrize(
        "source",
        [
            "import PySide6.QtSvg",
            "from PySide6 import QtSvg",
            "def f():\n    from PySide6.QtSvg import QSvgRenderer",
            "from qtpy import QtSvg",
            "from AnyQt.QtSvg import QSvgRenderer",
            "import importlib\nimportlib.import_module('PySide6.QtSvg')",
            "import importlib\nimportlib.import_module(f'{API}.QtSvg')",
            "NAMES = ['QtSvg']",
            "CODE = 'from PySide6 import QtSvg'",
        ],
    )
    def test_named(self, image: Image, source: str) -> None:
        assert modules(image, f"import PySide6.QtCore\n{source}\n") == {"QtCore", "QtGui", "QtSvg"}

    @pytest.mark.parametrize(
        "source",
        [
            '"""Draws like QtSvg does."""',
            "# from PySide6 import QtSvg",
            "def f(name):\n    return name.startswith('PySide6.')",
            "raise ImportError('this needs the module QtSvg, which is not there')",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from PySide6 import QtSvg",
        ],
    )
    def test_not_named(self, image: Image, source: str) -> None:
        assert modules(image, f"import PySide6.QtCore\n{source}\n") == {"QtCore"}

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("import importlib\ndef f(n): return importlib.import_module(f'PySide6.{n}')", {"QtPdf", "QtQml"}),
            ("import importlib\ndef f(n): return importlib.import_module('PySide6.' + n)", {"QtPdf", "QtQml"}),
            ("import importlib\ndef f(n): return importlib.import_module('PySide6.Qt%s' % n)", {"QtPdf", "QtQml"}),
            ("import importlib\ndef f(n): return importlib.import_module(f'PySide6.QtP{n}')", {"QtPdf"}),
            ("from PySide6 import *", {"QtPdf", "QtQml"}),
        ],
    )
    def test_names_put_together(self, image: Image, source: str, expected: set[str]) -> None:
        assert modules(image, f"import PySide6.QtCore\n{source}\n") & {"QtPdf", "QtQml"} == expected

    def test_packages_for_several_bindings(self, image: Image) -> None:
        """Their modules count only where something names them, and then with all that they name."""
        shim = {
            "qtpy/__init__.py": "",
            "qtpy/QtCore.py": "from PySide6.QtCore import *",
            "qtpy/QtPdf.py": "import PySide6.QtPdf",
            "qtpy/QtSvgWidgets.py": "import PySide6.QtSvgWidgets, PySide6.QtQml",
        }
        image.add(shim, "qtpy")
        assert modules(image, "from qtpy import QtSvgWidgets\n") >= {"QtSvgWidgets", "QtQml"}
        assert "PySide6/QtPdf.abi3.so" not in image.files

    def test_extension_modules_of_others(self, image: Image) -> None:
        data = b"\x7fELF\0PyInit_a\0PySide6\0QtSvg\0"
        assert "QtSvg" in staying(image, app_dot_py="import PySide6.QtCore", a_dot_so=data)

    @pytest.mark.parametrize("text", ["libQt6Pdf.so.6", "PySide6/Qt/lib/libQt6Pdf.so.6"])
    def test_libraries_by_name(self, image: Image, text: str) -> None:
        assert "libQt6Pdf" in staying(image, app_dot_py=f"import PySide6.QtCore\nNAME = '{text}'\n")

    def test_libraries_in_a_long_run_of_letters(self, image: Image) -> None:
        """A large library of another package may have such, as data: the time does not grow with their square."""
        data = b"\x7fELF" + b"A" * 1_000_000 + b"\0libQt6Pdf.so.6\0"
        assert "libQt6Pdf" in staying(image, app_dot_py="import PySide6.QtCore", a_dot_so=data)

    def test_keep_files(self, image: Image) -> None:
        """What is kept brings what it needs."""
        image.add({"app.py": "import PySide6.QtCore"})
        image.trim_qt(keep=("PySide6/QtSvg.*",))
        assert image.files >= {"PySide6/QtSvg.abi3.so", f"{LIB}/libQt6Svg.so.6", "PySide6/QtGui.abi3.so"}


class TestForms:
    FORM = '<ui version="4.0"><widget class="QWidget"><widget class="{}" name="a"/></widget></ui>'

    @pytest.mark.parametrize(("name", "stays"), [("QSvgWidget", True), ("QLabel", False)])
    def test_classes(self, image: Image, name: str, *, stays: bool) -> None:
        files = {"app_dot_py": "import PySide6.QtWidgets", "form_dot_ui": self.FORM.format(name)}
        assert ("QtSvgWidgets" in staying(image, **files)) is stays

    def test_in_a_string(self, image: Image) -> None:
        source = f"import PySide6.QtWidgets\nFORM = '{self.FORM.format('QSvgWidget')}'\n"
        assert "QtSvgWidgets" in modules(image, source)

    @pytest.mark.parametrize(("name", "stays"), [("QSvgWidget", True), ("QLabel", False)])
    def test_plugins_of_widgets(self, image: Image, name: str, *, stays: bool) -> None:
        """QUiLoader makes such widgets by plugins for the designer, which is large."""
        tools = {
            "PySide6/QtUiTools.abi3.so": elf("UiTools"),
            f"{LIB}/libQt6UiTools.so.6": elf("Widgets"),
            f"{LIB}/libQt6Designer.so.6": elf("Widgets") + bytes(2000),
            f"{PLUGINS}/designer/libqsvgwidget.so": elf("Designer", "SvgWidgets"),
        }
        image.add(tools, "PySide6")
        files = {"app_dot_py": "import PySide6.QtUiTools", "form_dot_ui": self.FORM.format(name)}
        assert ({"libqsvgwidget", "libQt6Designer"} <= staying(image, **files)) is stays


class TestPlugins:
    def test_those_of_what_stays(self, image: Image) -> None:
        """One that would bring a large Qt module alone goes."""
        names = staying(image, app_dot_py="import PySide6.QtGui")
        assert {"libqxcb", "libqsvg", "libQt6Svg"} <= names
        assert names.isdisjoint({"libqpdf", "libQt6Pdf"})

    @pytest.mark.parametrize("others", [(), ("libqsmall",)])
    def test_large_ones_without_others_of_the_kind(self, image: Image, others: tuple[str, ...]) -> None:
        """QtMultimedia and QtWebView do nothing without their only plugin, and that needs QtQuick or QtWebEngine."""
        kind = f"{PLUGINS}/multimedia"
        image.add(
            {
                "PySide6/QtMultimedia.abi3.so": elf("Multimedia"),
                f"{LIB}/libQt6Multimedia.so.6": elf("Gui", texts=b"/multimedia"),
                f"{LIB}/libQt6Quick.so.6": elf("Gui") + bytes(2000),
                f"{kind}/libplayer.so": elf("Multimedia", "Quick"),
                **{f"{kind}/{name}.so": elf("Multimedia") for name in others},
            },
            "PySide6",
        )
        names = staying(image, app_dot_py="import PySide6.QtMultimedia")
        assert names >= (set(others) or {"libplayer", "libQt6Quick"})
        assert not (others and {"libplayer", "libQt6Quick"} & names)

    @pytest.mark.parametrize(
        ("place", "stays"),
        [
            ("platforms/libqvnc", False),
            ("generic/libqtuio", False),
            ("platforms/libqwayland", True),
            ("imageformats/libqnet", True),
        ],
    )
    def test_what_is_loaded_on_demand(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, *, stays: bool
    ) -> None:
        """A plugin that nobody gets who does not ask for it brings no module of Qt, unless that is there anyway."""
        monkeypatch.setattr(qt_modules, "_MAX_FOR_PLUGIN", len(elf("Core")) + 3000)
        monkeypatch.setattr(qt_modules, "_MAX_ON_DEMAND", len(elf("Core")) + 1000)
        kinds = b"/platforms\0/imageformats\0/generic"
        image = Image(tmp_path)
        image.add(
            {
                **BINDING,
                f"{LIB}/libQt6Gui.so.6": elf("Core", texts=kinds),
                f"{LIB}/libQt6Network.so.6": elf("Core") + bytes(2000),
                "PySide6/QtNetwork.abi3.so": elf("Network"),
                f"{PLUGINS}/{place}.so": elf("Gui", "Network"),
            },
            "PySide6",
        )
        name = place.rpartition("/")[2]
        names = staying(image, app_dot_py="import PySide6.QtGui")
        assert {name, "libQt6Network"} <= names if stays else names.isdisjoint({name, "libQt6Network"})

    def test_what_is_loaded_on_demand_where_its_module_is_used(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(qt_modules, "_MAX_ON_DEMAND", len(elf("Core")) + 1000)
        image = Image(tmp_path)
        image.add(
            {
                **BINDING,
                f"{LIB}/libQt6Network.so.6": elf("Core") + bytes(2000),
                "PySide6/QtNetwork.abi3.so": elf("Network"),
                f"{PLUGINS}/platforms/libqvnc.so": elf("Gui", "Network"),
            },
            "PySide6",
        )
        assert "libqvnc" in staying(image, app_dot_py="import PySide6.QtGui, PySide6.QtNetwork")

    def test_large_one_whose_module_is_used(self, image: Image) -> None:
        assert "libqpdf" in staying(image, app_dot_py="import PySide6.QtPdf")

    def test_named(self, image: Image) -> None:
        assert "libqpdf" in staying(image, app_dot_py="import PySide6.QtGui\nNAME = 'imageformats/libqpdf.so'")

    @pytest.mark.parametrize("text", ["/tls\0".encode("utf-16-le"), b"\0tls\0", b"/tls\0"])
    def test_ways_to_name_a_kind(self, tmp_path: Path, text: bytes) -> None:
        image = Image(tmp_path)
        kind = {"PySide6/Qt/plugins/tls/libqtls.so": elf("Core"), f"{LIB}/libQt6Core.so.6": elf(texts=text)}
        others = {f"PySide6/Qt/plugins/{name}/libq.so": elf("Gui") for name in "ab"}  # most kinds do not need it
        image.add({**BINDING, **kind, **others}, "PySide6")
        assert "libqtls" in staying(image, app_dot_py="import PySide6.QtCore")


class TestQml:
    BEGIN = "from PySide6.QtQml import QQmlEngine\n"

    def qml(self, image: Image) -> set[str]:
        return {path.removeprefix(f"{QML}/") for path in image.files if path.startswith(QML)}

    @pytest.mark.parametrize("way", ["file", "text", "bytes", "resources", "compressed"])
    def test_imports(self, image: Image, way: str) -> None:
        document = b"import QtQuick 2.15\nItem {}\n"
        packed = len(document).to_bytes(4, "big") + zlib.compress(document)
        entry = packed if way == "compressed" else document
        sources = {
            "file": "",
            "text": f"A = {document.decode()!r}",
            "bytes": f"A = {document!r}",
        }
        resources = f"qt_resource_data = {len(entry).to_bytes(4, 'big') + entry!r}"
        image.add(
            {"app.py": self.BEGIN + sources.get(way, resources), **({"a.qml": document} if way == "file" else {})}
        )
        image.trim_qt()
        assert self.qml(image) == {"QtQml/qmldir", "QtQuick/qmldir", "QtQuick/libqtquick2plugin.so"}
        assert f"{LIB}/libQt6Quick.so.6" in image.files
        assert f"{TEXTS}/qtdeclarative_de.qm" in image.files

    def test_dependencies_and_data(self, image: Image) -> None:
        image.add({"app.py": self.BEGIN, "a.qml": "import QtQuick.Controls as C\n"})
        image.trim_qt()
        assert self.qml(image) >= {"QtQuick/libqtquick2plugin.so", "QtQuick/Controls/images/a.png"}

    def test_unknown_documents(self, image: Image) -> None:
        """All QML modules stay where nobody knows what the documents are."""
        image.add({"app.py": self.BEGIN})
        image.trim_qt()
        assert "QtQuick/Controls/qmldir" in self.qml(image)
        assert "QtQuick/plugins.qmltypes" not in self.qml(image)

    def test_formats(self) -> None:
        document = b"import QtQuick\nimport Qt.labs.platform 1.1\n.import QtQuick.LocalStorage as L\n"
        assert qml_imports(document) == {"QtQuick", "Qt.labs.platform", "QtQuick.LocalStorage"}
        assert embedded_imports(b"\0import QtQuick.Shapes\0import App\0") == {"QtQuick.Shapes"}
        entries = b"\0\0\0\x02ab" + b"\0\0\0\x01c"
        assert list(read_entries(entries)) == [b"ab", b"c"]
        header = b"qres" + b"".join(number.to_bytes(4, "big") for number in (1, 100, 20, 29))
        assert list(read_resources(header + entries[:9])) == [b"ab"]
        assert list(read_resources(b"other")) == []


class TestPrograms:
    def test_web_engine(self, image: Image) -> None:
        image.add({"app.py": "import PySide6.QtWebEngineCore"})
        image.trim_qt()
        assert image.files >= {"PySide6/Qt/libexec/QtWebEngineProcess", "PySide6/Qt/resources/icudtl.dat"}

    @pytest.mark.parametrize(
        ("source", "stays"),
        [
            ("import subprocess\nsubprocess.run(['pyside6-designer'])", True),
            ("import PySide6.scripts.pyside_tool", True),
            ("NAMES = ['designer', 'assistant']", False),
        ],
    )
    def test_for_developers(self, image: Image, source: str, *, stays: bool) -> None:
        image.add({"app.py": f"import PySide6.QtCore\n{source}\n"})
        image.trim_qt()
        names = {"PySide6/designer", f"{LIB}/libQt6Designer.so.6", f"{TEXTS}/designer_de.qm"}
        assert image.files & names == (names if stays else set())


def test_catalogs() -> None:
    assert catalogs_named_in(catalog("qtbase_de", "qtscript_de.qm")) == ["qtbase_de", "qtscript_de"]
    assert catalogs_named_in(b"") == []
