# SPDX-License-Identifier: MIT
"""The wheels of programs that no build back end knows."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest

from hatch_appimage.errors import AppImageError
from hatch_appimage.project.program_wheel import build_program_wheel

if TYPE_CHECKING:
    from pathlib import Path

TABLE = {"name": "tool", "version": "1.0", "dependencies": ["a @ file:///a"]}


def make(directory: Path, *names: str, text: str = "") -> None:
    """Write files."""
    for name in names:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_directory(tmp_path: Path) -> None:
    root, work = tmp_path / "tool", tmp_path / "work"
    work.mkdir()
    make(root, "main.py", "pack/x.py", "data/a.txt", "ignored/a.txt", "pack/secret.txt")
    make(root, ".env", "pack/.hidden", "dist/x.whl", "env/pyvenv.cfg", "env/lib/x.py", "pack/__pycache__/x.pyc")
    make(root, ".gitignore", text="/ignored\nsecret.txt\n")
    subprocess.run(["git", "init", "--quiet", root], check=True)
    wheel = build_program_wheel(TABLE, root, work)
    assert (wheel.name, str(wheel.version), wheel.pure) == ("tool", "1.0", True)
    with ZipFile(wheel.path) as archive:
        assert sorted(name for name in archive.namelist() if ".dist-info" not in name) == [
            *("tool-app.pth", "tool-app/data/a.txt", "tool-app/main.py", "tool-app/pack/x.py"),
        ]
        assert archive.read("tool-app.pth") == b"tool-app\n"
        assert b"Requires-Dist: a @ file:///a" in archive.read("tool-1.0.dist-info/METADATA")


def test_what_is_something_else_at_any_depth(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """By what is in it: names such as `venv` may be those of modules."""
    root, work = tmp_path / "tool", tmp_path / "work"
    work.mkdir()
    make(root, "main.py", "venv/__init__.py", "venv/x.py", "data/HEAD", "data/CACHEDIR.TAG")
    make(root, "env/pyvenv.cfg", "env/lib/x.py", "tests/here/env/pyvenv.cfg", "tests/here/env/lib/deep/x.py")
    make(root, "conda/conda-meta/history", "web/node_modules/a/index.js", "data/x.git/HEAD", "data/x.git/refs/a")
    make(root, "data/x.git/objects/a")
    make(root, "target/CACHEDIR.TAG", text="Signature: 8a477f597d28d172789f06886806bc55\n# by cargo\n")
    (root / "tests" / "here" / "env" / "python").symlink_to("/bin/sh")
    wheel = build_program_wheel(TABLE, root, work)
    with ZipFile(wheel.path) as archive:
        names = {name.partition("/")[2] for name in archive.namelist() if name.startswith("tool-app/")}
    assert names == {"main.py", "venv/__init__.py", "venv/x.py", "data/HEAD", "data/CACHEDIR.TAG"}
    (record,) = caplog.records
    assert record.getMessage() == (
        "Left out of the image: conda (an environment of conda), env (a virtual environment), target (a cache), "
        "data/x.git (a Git repository), tests/here/env (a virtual environment), web/node_modules (packages of npm). "
        "`force-include` brings what the program needs of it"
    )


def test_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "work").mkdir()
    make(tmp_path / "tool", "main.py", ".venv/pyvenv.cfg", "dist/x.whl")
    build_program_wheel(TABLE, tmp_path / "tool", tmp_path / "work")
    assert not caplog.records


def test_some_files(tmp_path: Path) -> None:
    make(tmp_path, "main.py", "other.py")
    (tmp_path / "work").mkdir()
    wheel = build_program_wheel(TABLE, tmp_path, tmp_path / "work", only={tmp_path / "main.py": "x.py"})
    with ZipFile(wheel.path) as archive:
        names = [name for name in archive.namelist() if ".dist-info" not in name]
    assert sorted(names) == ["tool-app.pth", "tool-app/x.py"]


def test_neither_files_nor_a_path(tmp_path: Path) -> None:
    wheel = build_program_wheel(TABLE, tmp_path, tmp_path, only={})
    with ZipFile(wheel.path) as archive:
        assert not [name for name in archive.namelist() if ".dist-info" not in name]


def test_refused(tmp_path: Path) -> None:
    with pytest.raises(AppImageError, match=r"`project\.version`"):
        build_program_wheel({**TABLE, "version": 1}, tmp_path, tmp_path, only={})


def test_link_that_leads_out(tmp_path: Path) -> None:
    """Links within the directory stay; one to something else is refused before that is read."""
    root, work = tmp_path / "root", tmp_path / "work"
    (root / "data").mkdir(parents=True)
    work.mkdir()
    (root / "main.py").write_text("")
    (root / "data" / "a").write_text("a")
    (root / "link").symlink_to("data/a")
    assert build_program_wheel(TABLE, root, work)
    (root / "secret").symlink_to("/etc")
    with pytest.raises(AppImageError, match=r"secret/\S+ in \S+/root leads out of it, to /etc/"):
        build_program_wheel(TABLE, root, work)
