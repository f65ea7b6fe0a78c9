# SPDX-License-Identifier: MIT
"""What an application reaches: what keeps tkinter, and what a missing library makes fail."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.python import BundledPython
from hatch_appimage.sources.reach import find_reach

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_appimage.sources.reach import Reach

# Modules of packages that many projects depend on, as far as they name tkinter.
OTHERS = {
    "six.py": "MOVED = [MovedModule('tkinter', 'Tkinter')]",
    "tqdm/__init__.py": "from .std import tqdm\nfrom .gui import tqdm as g\n",
    "tqdm/std.py": "",
    "tqdm/gui.py": "",
    "tqdm/tk.py": "import tkinter",
    "PIL/__init__.py": "",
    "PIL/Image.py": "def show():\n  from . import ImageTk",
    "PIL/ImageTk.py": "import tkinter",
    "IPython/__init__.py": "from .terminal import embed",
    "IPython/terminal/__init__.py": "",
    "IPython/terminal/embed.py": "import importlib\ndef gui(name):\n  importlib.import_module('tkinter')",
    "IPython/terminal/tk.py": "import tkinter",
    "twisted/__init__.py": "",
    "twisted/internet/__init__.py": "",
    "twisted/internet/tksupport.py": "import tkinter",
    "matplotlib/__init__.py": "",
    "matplotlib/pyplot.py": "def switch_backend(name):\n  importlib.import_module(name)",
    "matplotlib/backends/__init__.py": "",
    "matplotlib/backends/backend_tkagg.py": "import tkinter",
    "easygui.py": "try:\n  import tkinter\nexcept ImportError:\n  import Tkinter",
}
STDLIB = {
    "tkinter/__init__.py": "import _tkinter",
    "turtle.py": "import tkinter",
    "encodings/__init__.py": "import sys",
    "site.py": "import os",
    "ssl.py": "import _ssl\ndef rare(): import _crypt",
    "lib-dynload/_ssl.cpython-312-x86_64-linux-gnu.so": "",
    "lib-dynload/_crypt.cpython-312-x86_64-linux-gnu.so": "",
    "lib-dynload/_tkinter.cpython-312-x86_64-linux-gnu.so": "",
}


@pytest.fixture
def python(tmp_path: Path) -> BundledPython:
    stdlib = tmp_path / "usr" / "lib" / "python3.12"
    site = stdlib / "site-packages"
    for directory, files in ((stdlib, STDLIB), (site, OTHERS)):
        for name, text in files.items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_text(text)
    return BundledPython(
        version="3.12.1",
        executable=tmp_path / "usr" / "bin" / "python3.12",
        stdlib=stdlib,
        site_packages=(site,),
        interpreter=tmp_path / "python",
        origin=tmp_path,
    )


def reach(python: BundledPython, *commands: str, entry_point: str = "app.cli", **sources: str) -> Reach:
    """Install the project, a package of modules, and find what it reaches."""
    site = python.site_packages[0]
    info = site / "My_App-1.0.dist-info"
    for directory in (info, site / "app"):
        directory.mkdir(exist_ok=True)
    modules = {"__init__": "", "cli": "", **sources}
    for name, text in modules.items():
        (site / "app" / f"{name}.py").write_text(text)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: My.App\nVersion: 1.0\n")
    (info / "RECORD").write_text("".join(f"app/{name}.py,,\n" for name in modules) + "../../../bin/my-app,,\n")
    return find_reach(python, "my-app", [entry_point], commands)


@pytest.mark.parametrize(
    "source",
    [
        "import six, PIL.Image, matplotlib.pyplot",
        "from tqdm import tqdm",
        "import IPython\nIPython.embed()",
        "from twisted.internet import reactor",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n  import tkinter",
        "TEXT = 'import tkinter'\nprint('tkinter')",
    ],
)
def test_a_mention_is_no_need(python: BundledPython, source: str) -> None:
    assert "tkinter" not in reach(python, cli=source).modules


@pytest.mark.parametrize(
    "source",
    [
        "import tkinter",
        "import turtle",
        "from tkinter import ttk",
        "def main():\n  import tkinter.ttk",
        "try:\n  import tkinter\nexcept ImportError:\n  tkinter = None",
        "import importlib\nimportlib.import_module('tkinter')",
        "__import__('tkinter.messagebox')",
        "import runpy\nrunpy.run_module('turtle')",
        "from six.moves import tkinter_filedialog",
        "from tqdm.tk import tqdm",
        "from PIL import ImageTk",
        "from matplotlib.backends.backend_tkagg import FigureCanvasTkAgg",
        "def main():\n  import easygui",
    ],
)
def test_an_import_is_one(python: BundledPython, source: str) -> None:
    assert reach(python, cli=source).modules["tkinter"]


def test_modules_of_the_project_that_nothing_is_seen_to_import(python: BundledPython) -> None:
    """They may be plugins of the project."""
    assert reach(python, window="import tkinter").modules["tkinter"].importer == "app.window"


@pytest.mark.parametrize(
    ("source", "plotter"),
    [
        ("import matplotlib.pyplot as plt\nplt.show()", "app.cli"),
        ("from pylab import *\nshow()", "app.cli"),
        ("import matplotlib.pyplot as plt\nplt.savefig('x')", None),
        ("window.show()", None),
    ],
)
def test_plots(python: BundledPython, source: str, plotter: str | None) -> None:
    assert reach(python, cli=source).plotter == plotter


def test_an_entry_point_of_a_dependency(python: BundledPython) -> None:
    """As of a project that packs another one: the functions of the entry point's module are those that run."""
    (python.site_packages[0] / "tool").mkdir()
    (python.site_packages[0] / "tool" / "__init__.py").touch()
    (python.site_packages[0] / "tool" / "__main__.py").write_text("def main():\n  import turtle")
    assert reach(python, entry_point="tool").modules["tkinter"].importer == "turtle"


def install(python: BundledPython, entry_points: str, **sources: str) -> None:
    """Install a package named ``other`` whose modules are given by their names."""
    site = python.site_packages[0]
    info = site / "other-1.0.dist-info"
    info.mkdir()
    for name, text in sources.items():
        (site / f"{name}.py").write_text(text)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "RECORD").write_text("".join(f"{name}.py,,\n" for name in sources))
    (info / "entry_points.txt").write_text(entry_points)


def test_plugins(python: BundledPython) -> None:
    """Whoever looks them up imports them by names that no source has."""
    install(python, "[app.plugins]\ntk = app_tk:run [gui]\n", app_tk="import tkinter")
    found = reach(python)
    assert found.modules["tkinter"].importer == "app_tk"
    assert "tkinter" not in {path.parent.name for path in found.required}


@pytest.mark.parametrize("group", ["distutils.commands", "setuptools.finalize_distribution_options", "pytest11"])
def test_plugins_of_tools(python: BundledPython, group: str) -> None:
    install(python, f"[{group}]\ntk = app_tk:run\n", app_tk="import tkinter")
    assert "tkinter" not in reach(python).modules


def test_plugins_are_read_at_their_top_level(python: BundledPython) -> None:
    install(python, "[app.plugins]\ntk = app_tk\n", app_tk="def run():\n  import tkinter")
    found = reach(python)
    assert "tkinter" not in found.modules
    assert found.doubt == "app_tk"


def test_commands_that_the_image_does_not_start(python: BundledPython) -> None:
    install(python, "[console_scripts]\nx = app_tk:run\n[gui_scripts]\ny = app_tk:run\n", app_tk="import tkinter")
    assert "tkinter" not in reach(python).modules


def test_entry_points_of_no_format(python: BundledPython) -> None:
    install(python, "[app.plugins]\nwhat is this\n")
    assert "tkinter" not in reach(python).modules


@pytest.mark.parametrize("how", ["entry point", "command"])
def test_the_package_that_has_what_starts(python: BundledPython, how: str) -> None:
    """Its functions are the application's, as if the project had them, but not all of its modules are used."""
    modules = {"other_cli": "import other_window", "other_window": "def main():\n  import tkinter", "other_rare": ""}
    install(python, "[console_scripts]\nother = other_cli:main\n", **modules)
    found = reach(python, "other") if how == "command" else reach(python, entry_point="other_cli")
    assert found.modules["tkinter"].importer == "other_window"
    assert "other_rare" not in found.modules


def test_plots_of_the_package_that_has_what_starts(python: BundledPython) -> None:
    modules = {"other_cli": "import other_plot", "other_plot": "from matplotlib import pyplot\npyplot.show()"}
    install(python, "", **modules)
    assert reach(python, entry_point="other_cli").plotter == "other_plot"


def add_extension(python: BundledPython, name: str, data: bytes) -> None:
    """Add an extension module to the project that is installed next."""
    record = f"{name}.cpython-312-x86_64-linux-gnu.so"
    info = python.site_packages[0] / "my_app_compiled-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-app\nVersion: 1.0\n")
    (info / "RECORD").write_text(f"{record},,\n")
    (python.site_packages[0] / record).parent.mkdir(exist_ok=True)
    (python.site_packages[0] / record).write_bytes(data)


@pytest.mark.parametrize(("data", "importer"), [(b"\x7fELF\0tkinter\0", "abc__mypyc"), (b"\x7fELF\0", None)])
def test_compiled_modules_of_the_project(python: BundledPython, data: bytes, importer: str | None) -> None:
    add_extension(python, "abc__mypyc", data)
    found = reach(python).modules
    assert "abc__mypyc" in found
    assert (found["tkinter"].importer if "tkinter" in found else None) == importer


def test_compiled_modules_of_dependencies(python: BundledPython) -> None:
    """Those of Pillow and matplotlib name tkinter, too."""
    (python.site_packages[0] / "fast.cpython-312-x86_64-linux-gnu.so").write_bytes(b"tkinter")
    found = reach(python, cli="import fast").modules
    assert "fast" in found
    assert "tkinter" not in found


@pytest.mark.parametrize(
    ("source", "doubt"),
    [
        ("def ask():\n  from tkinter import filedialog", "other"),
        (
            "class A:\n  def ask(self):\n    try:\n      import turtle\n    except ImportError: pass",
            "other",
        ),
        ("import matplotlib.pyplot as plt\ndef draw(): plt.show()", None),
        ("def draw():\n  import matplotlib.pyplot as plt\n  plt.show()", None),
        ("def ask():\n  importlib.import_module('tkinter')", None),
        ("def ask():\n  # as import tkinter\n  import other.turtle", None),
        ("def ask():\n  if TYPE_CHECKING:\n    import tkinter", None),
        ("import six, PIL.Image, matplotlib.pyplot, tqdm, IPython", None),
        ("import pydoc", None),
    ],
)
def test_doubts(python: BundledPython, source: str, doubt: str | None) -> None:
    (python.stdlib / "pydoc.py").write_text("def gui():\n  import tkinter")
    (python.site_packages[0] / "unused.py").write_text("def ask():\n  import tkinter")
    install(python, "", other=source)
    found = reach(python, cli="import other")
    assert found.doubt == doubt
    assert "tkinter" not in found.modules


def test_files_that_are_gone(python: BundledPython) -> None:
    install(python, "[app.plugins]\ngone = gone\n", gone="")
    (python.site_packages[0] / "gone.py").unlink()
    info = python.site_packages[0] / "my_app_more-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-app\nVersion: 1.0\n")
    (info / "RECORD").write_text("app/gone.py,,\n")
    assert {"gone", "app.gone"}.isdisjoint(reach(python).modules)


def test_warnings_about_sources_of_others(python: BundledPython) -> None:
    install(python, "", other="import tkinter\nPATTERN = '\\d'\nassert (1, 'pyplot')")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = reach(python, cli="import other\nPATTERN = '\\d'\nprint('pyplot' is 1)")
    assert found.modules["tkinter"].importer == "other"


def test_other_commands(python: BundledPython) -> None:
    install(python, "[console_scripts]\nother = easygui:main\n")
    found = reach(python, "other")
    assert "easygui" in found.modules
    assert "tkinter" in found.modules


def test_extension_modules(python: BundledPython) -> None:
    found = reach(python, cli="import ssl\ntry:\n  import _crypt\nexcept ImportError: pass")
    names = {path.name.split(".")[0] for path in found.files if path.suffix == ".so"}
    assert names == {"_ssl", "_crypt"}
    assert {path.name.split(".")[0] for path in found.required if path.suffix == ".so"} == {"_ssl"}


def test_what_only_a_function_imports_is_not_required(python: BundledPython) -> None:
    found = reach(python, cli="def main():\n  import ssl", other="import ssl")
    assert [path for path in found.required if path.suffix == ".so"] == []
