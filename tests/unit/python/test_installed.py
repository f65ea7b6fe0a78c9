# SPDX-License-Identifier: MIT
"""What the metadata of installed packages says."""

from __future__ import annotations

from importlib.metadata import PathDistribution
from pathlib import Path, PurePosixPath

import pytest

from hatch_appimage.python import BundledPython
from hatch_appimage.python.installed import InstalledFile, files_of, installed_files, name_of, paths_of


@pytest.mark.parametrize("file", ["METADATA", "PKG-INFO"])
def test_name(tmp_path: Path, file: str) -> None:
    """A description may have what looks like a header."""
    (tmp_path / file).write_text("Metadata-Version: 2.1\nname: My_Package\n\nName: other\n")
    assert name_of(PathDistribution(tmp_path)) == "my-package"
    (tmp_path / file).write_text("Metadata-Version: 2.1\nName: another\n")
    assert name_of(PathDistribution(tmp_path)) == "another"


class TestFiles:
    @pytest.fixture
    def python(self, tmp_path: Path) -> BundledPython:
        site = tmp_path / "lib/python3.12/site-packages"
        site.mkdir(parents=True)
        return BundledPython(
            version="3.12.1",
            executable=tmp_path / "bin/python",
            stdlib=site.parent,
            site_packages=(site,),
            interpreter=Path("/python"),
            origin=Path("/"),
        )

    def install(self, python: BundledPython, record: str) -> PathDistribution:
        """Install a package with metadata, of which nothing else is there."""
        metadata = python.site_packages[0] / "my_app-1.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Name: My_App\n")
        (metadata / "RECORD").write_text(record)
        return PathDistribution(metadata)

    def test_places(self, python: BundledPython) -> None:
        site = python.site_packages[0]
        lines = [
            '"a,b.py",,',
            "p//c.py,sha256=x,1",
            "../../../bin/app,,",
            "my_app-1.dist-info/RECORD,,",
            "../../../../x,,",
        ]
        distribution = self.install(python, "\n".join(lines))
        assert list(paths_of(distribution)) == [
            site / "a,b.py",
            site / "p/c.py",
            site.parents[2] / "bin/app",
            site / "my_app-1.dist-info/RECORD",
            site.parents[3] / "x",
        ]
        assert list(files_of(distribution, python)) == [
            InstalledFile("my-app", PurePosixPath("a,b.py"), importable=True, path=site / "a,b.py"),
            InstalledFile("my-app", PurePosixPath("p/c.py"), importable=True, path=site / "p/c.py"),
            InstalledFile("my-app", PurePosixPath("bin/app"), importable=False, path=site.parents[2] / "bin/app"),
        ]

    def test_as_they_are_now(self, python: BundledPython) -> None:
        """What is asked for again may have another RECORD, or other files."""
        distribution = self.install(python, "a.py,,\nb.py,,\n")
        site = python.site_packages[0]
        (site / "a.py").touch()
        (site / "b.py").touch()
        assert [file.path for file in installed_files(python)] == [site / "a.py", site / "b.py"]
        (site / "a.py").unlink()
        assert [file.path for file in installed_files(python)] == [site / "b.py"]
        (site / "my_app-1.dist-info/RECORD").write_text("c.py,,\n")
        assert list(paths_of(distribution)) == [site / "c.py"]

    def test_without_record(self, python: BundledPython) -> None:
        """Packages of distributions, and of old tools, list their files by other names."""
        site = python.site_packages[0]
        metadata = site / "old.egg-info"
        metadata.mkdir()
        (metadata / "PKG-INFO").write_text("Name: old\n")
        (metadata / "SOURCES.txt").write_text("old, too.py\n")
        (site / "old, too.py").touch()
        assert list(paths_of(PathDistribution(metadata))) == [site / "old, too.py"]
