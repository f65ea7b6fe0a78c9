# SPDX-License-Identifier: MIT
"""Part of every image: imports of its modules, without asking the file system for what the build knows.

This text stands at the end of ``encodings``, the first module that a start reads from a file. What it replaces is asked
about one directory or one module at a time, and answers as before with fewer system calls: which finders, path hooks
and directories come first is decided elsewhere, as ever.
"""

# This runs on every Python that can be bundled, from 3.8 on, before `site`: it imports nothing that is not loaded.

import _frozen_importlib_external
import _imp
import marshal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _bytecode_of(source: str) -> str:
    """Return what `cache_from_source` does for a path that ends in .py, where caches have no directory of their own."""
    directory, _, name = source.rpartition("/")
    optimized = f".opt-{sys.flags.optimize}" if sys.flags.optimize else ""
    return f"{directory}/__pycache__/{name[:-3]}.{sys.implementation.cache_tag}{optimized}.pyc"


def _load_without_questions(external: "Any", prefix: str) -> None:
    """Have bytecode read at once where it is such that its source does not count: this is what images have.

    Args:
        external: importlib's loaders and finders of files.
        prefix: of the paths of all modules in the image.

    """
    suffix = external.SOURCE_SUFFIXES[0]
    unchecked = external.MAGIC_NUMBER + b"\1\0\0\0"  # never compared with its source (PEP 552)

    def get_code(self: "Any", fullname: str, _get_code: "Any" = external.SourceLoader.get_code) -> "Any":
        """Concrete implementation of InspectLoader.get_code."""
        path = getattr(self, "path", "")
        if (
            type(self) is external.SourceFileLoader
            and path.startswith(prefix)
            and path.endswith(suffix)
            and fullname == self.name
            and sys.pycache_prefix is None
            and _imp.check_hash_based_pycs != "always"
        ):
            bytecode = _bytecode_of(path)
            try:
                data = self.get_data(bytecode)
            except OSError:
                data = b""
            if data.startswith(unchecked):
                external._bootstrap._verbose_message("{} matches {}", bytecode, path)
                return external._compile_bytecode(memoryview(data)[16:], fullname, bytecode, path)
        return _get_code(self, fullname)

    external.SourceLoader.get_code = get_code


def _find_without_search(external: "Any", prefix: str, endings: "dict[str, dict[str, str]]") -> None:
    """Have modules found where the build found them, and their directories not listed.

    Args:
        external: importlib's loaders and finders of files.
        prefix: of all directories.
        endings: of modules by name by directory; empty for what is not there.

    """
    endings = {prefix + directory: names for directory, names in endings.items()}
    standard = [(suffix, loader) for loader, suffixes in external._get_supported_file_loaders() for suffix in suffixes]
    loaders = {suffix[-3:]: loader for suffix, loader in standard}
    none: dict[str, str] = {}

    def find_spec(
        self: "Any", fullname: str, target: "Any" = None, _find_spec: "Any" = external.FileFinder.find_spec
    ) -> "Any":
        """Try to find a spec for the specified module."""
        name = fullname.rpartition(".")[2]
        ending = endings.get(self.path, none).get(name)
        if ending is None or self._loaders != standard:
            return _find_spec(self, fullname, target)
        if not ending:
            return None
        place = f"{self.path}/{name}"
        path = place + ending
        package = [place] if ending.startswith("/") else None
        spec = self._get_spec(loaders[ending[-3:]], fullname, path, package, target)
        if ending.endswith(external.SOURCE_SUFFIXES[0]) and sys.pycache_prefix is None:
            spec.cached = _bytecode_of(path)
        return spec

    external.FileFinder.find_spec = find_spec


def _shorten_imports(external: "Any", stdlib: str) -> None:
    prefix = stdlib.rsplit("/", 2)[0] + "/"
    _load_without_questions(external, prefix)
    try:
        with external._io.FileIO(stdlib + "/_appimage.modules") as file:
            endings = marshal.loads(file.readall())
    except (OSError, EOFError, TypeError, ValueError):  # the build does not know what a start imports; or it is damaged
        return
    _find_without_search(external, prefix, endings)


# Not by the name of its file, or by suffixes in strings: `trim/kept_sources.py` takes this for a module that reads its
# neighbours' sources then.
_shorten_imports(_frozen_importlib_external, str(__spec__.origin).rpartition("/encodings/")[0])
