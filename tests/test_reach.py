# SPDX-License-Identifier: MIT
"""What an application reaches: what keeps tkinter, and what a missing library makes fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hatch_appimage.python import BundledPython
from hatch_appimage.reach import find_reach

if TYPE_CHECKING:
    from pathlib import Path

    from hatch_appimage.reach import Reach

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
    for folder, files in ((stdlib, STDLIB), (site, OTHERS)):
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    return BundledPython(
        version="3.12.1",
        executable=tmp_path / "usr" / "bin" / "python3.12",
        stdlib=stdlib,
        site_packages=(site,),
        stripped=False,
        interpreter=tmp_path / "python",
        origin=tmp_path,
    )


def reach(python: BundledPython, *commands: str, entry_point: str = "app.cli", **sources: str) -> Reach:
    """Install the project, a package of modules, and find what it reaches."""
    site = python.site_packages[0]
    info = site / "My_App-1.0.dist-info"
    for folder in (info, site / "app"):
        folder.mkdir()
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


def test_other_commands(python: BundledPython) -> None:
    info = python.site_packages[0] / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "RECORD").write_text("")
    (info / "entry_points.txt").write_text("[console_scripts]\nother = easygui:main\n")
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
