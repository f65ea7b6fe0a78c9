# SPDX-License-Identifier: MIT
"""What code and forms in an image name of a Python binding of Qt: its modules, QML modules, programs and files."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hatch_appimage.sources.files import facts_of
from hatch_appimage.sources.qml import qml_imports, read_entries, read_resources
from hatch_appimage.sources.statements import IMPORTING, called_name
from hatch_appimage.sources.units import modules_in_text
from hatch_appimage.syntax import parse_if_python
from hatch_appimage.trim.qt_binding import BINDINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hatch_appimage.sources.files import Source
    from hatch_appimage.sources.reader import SourceReader
    from hatch_appimage.trim.qt_binding import Binding

_ELF = b"\x7fELF"
# What has to be in a file for it to be read any further.
_CANDIDATE = re.compile(rb"Qt|PySide|\bQ[a-z]\w|\.so\b|qt_resource_data")
_WORD = re.compile(r"\w+")
_BYTES_WORD = re.compile(rb"\w+")
# The end of a library's name, and what may be before it. One expression for both takes minutes where a large file has
# long runs of letters.
_FILE_END = re.compile(rb"\.so(?:\.\d+)*")
_FILE_BEGIN = re.compile(rb"[\w+.-]+\Z")
_LONGEST_FILE = 255  # NAME_MAX of Linux, in bytes
_DOTTED = re.compile(rb"(?<![\w.])(?:" + "|".join(BINDINGS).encode() + rb")(?:\.\w+)+")
_STAR = re.compile(rb"from\s+(PySide\d)\s+import\s+\*")
# A class of a widget in a form (https://doc.qt.io/qt-6/designer-ui-file-format.html).
_CLASS = re.compile(rb"(?<=\sclass=\")\w+(?=\")|(?<=<extends>)\w+(?=</extends>)")
_FORM = ".ui"
_DOCUMENTS = frozenset({".js", ".mjs", ".qml", "qmldir"})
_RESOURCE_FILE = ".rcc"
_RESOURCE_DATA = "qt_resource_data"
_SMALLEST_RESOURCE = 16  # in bytes
_QML_BYTES = re.compile(rb"(?<!\w)[bB][rR]?['\"]")
_STARTING = re.compile(rb"(?<!\w)(?:subprocess|QProcess|Popen|popen|exec[lv]\w*|spawn\w*|system)(?!\w)")
# PySide's function that starts a program of Qt.
_LOAD_UI_TYPE, _UI_COMPILER = b"loadUiType", "uic"
_FILLED_IN = re.compile(r"%s|\{[^{}]*\}")


@dataclass
class Named:
    """What a file names, or several do.

    Attributes:
        names: dotted names of what is imported, or may be.
        words: those that may be a module's name by themselves.
        patterns: regular expressions of whole names of modules.
        classes: of widgets in forms.
        qml: names of QML modules, and others.
        files: names of libraries and plugins.
        programs: words in strings of sources that start other programs.

    """

    names: set[str] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    patterns: set[str] = field(default_factory=set)
    classes: set[str] = field(default_factory=set)
    qml: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    programs: set[str] = field(default_factory=set)


@dataclass
class Uses:
    """What is used of a binding.

    Attributes:
        modules: names of its modules, each with the reason.
        qml: names of QML modules, and others.
        classes: of widgets in forms, each with the reason.
        files: names of libraries and plugins.
        programs: words that may be names of its programs.

    """

    modules: dict[str, str] = field(default_factory=dict)
    qml: set[str] = field(default_factory=set)
    classes: dict[str, str] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    programs: set[str] = field(default_factory=set)


def is_distinctive(name: str) -> bool:
    """Whether a module's name means nothing else where it stands alone: "QtSvg" does not, "Qt" and "sip" do."""
    return name.startswith("Q") and name != "Qt"


def find_uses(sources: Iterable[Source], binding: Binding, reader: SourceReader) -> Uses:
    """Find what files name of a binding, wherever in them.

    Packages for several bindings have a module for each of Qt's, which is called like it (``qtpy.QtSvg``). Such a
    module counts only where something else names it, and so do the Python modules of the binding itself.

    Args:
        sources: the files that can name something.
        binding: the binding.
        reader: knows what sources name.

    """
    uses = Uses()
    waiting: dict[str, list[Source]] = {}
    for source in sources:
        if (module := _stands_for(source, binding)) is None:
            _add(uses, source, _read(source, binding, reader), binding)
        elif module:
            waiting.setdefault(module, []).append(source)
    while reached := waiting.keys() & uses.modules.keys():
        for module in sorted(reached):
            for source in waiting.pop(module):
                _add(uses, source, _read(source, binding, reader), binding)
    return uses


def _stands_for(source: Source, binding: Binding) -> str | None:
    """Return the name of the module that a source counts with; None where it counts by itself, "" if it never does."""
    top, *parts = source.place.parts
    if top == binding.name and parts:
        name = parts[0].split(".")[0]
        return name if name != "__init__" and source.path.suffix == ".py" else ""
    stem = source.path.name.split(".")[0]
    if top in BINDINGS:
        return ""
    return stem if stem in binding.modules and is_distinctive(stem) and source.path.suffix == ".py" else None


def _add(uses: Uses, source: Source, named: Named | None, binding: Binding) -> None:
    if named is None:
        return
    reason = f"{source.place} names it"
    for name in sorted(_modules_in(named, binding)):
        uses.modules.setdefault(name, reason)
    for name in named.classes:
        uses.classes.setdefault(name, reason)
    uses.qml |= named.qml
    uses.files |= named.files
    uses.programs |= named.programs


def _modules_in(named: Named, binding: Binding) -> Iterator[str]:
    """Yield the names of the binding's modules, Python packages among them, that are among names."""
    for name in named.names:
        parts = name.split(".")
        if parts[0] == binding.name and any(parts[1:2]):  # "PySide6." names none
            yield parts[1]
        named.words.update(parts)
    for word in named.words:
        if is_distinctive(word) and (word in binding.modules or (binding.root / word).is_dir()):
            yield word
    for pattern in named.patterns:
        yield from (name for name in binding.modules if re.fullmatch(pattern, f"{binding.name}.{name}"))


def _read(source: Source, binding: Binding, reader: SourceReader) -> Named | None:
    data = source.path.read_bytes()
    if source.path.suffix == _RESOURCE_FILE:
        return _read_contents(read_resources(data))
    if source.path.suffix == _FORM or source.path.suffix in _DOCUMENTS or source.path.name in _DOCUMENTS:
        return _read_contents([data])
    if not _CANDIDATE.search(data):
        return None
    if reader.may_read(source.path):
        return _read_python(source, data, binding, reader)
    if data.startswith(_ELF):
        words = _words(data) if any(name.encode() in data for name in BINDINGS) else set()
        return Named(words=words, names=_dotted(data), files=_files(data))
    return Named(names=_dotted(data))


def _read_contents(contents: Iterable[bytes]) -> Named:
    """Return what forms, documents and others name."""
    named = Named()
    for data in contents:
        named.qml |= qml_imports(data)
        if b"<ui " in data:
            named.words |= _words(data)
            named.names |= _dotted(data)
            named.classes.update(name.decode() for name in _CLASS.findall(data))
    return named


def _read_python(source: Source, data: bytes, binding: Binding, reader: SourceReader) -> Named:
    facts = facts_of(source, reader)
    if facts is None:  # its syntax may be newer than the Python that runs this build
        return Named(names=_dotted(data), words=_words(data), qml=qml_imports(data))
    mentions = facts.mentions
    named = Named(names=set(mentions.imports))
    if source.place.parts[0] == binding.name:
        return named
    named.patterns |= {rf"{name.decode()}\..*" for name in _STAR.findall(data)}
    for text in mentions.texts:
        _add_text(named, text)
    if _imports_unknown(data):
        named.patterns.update(filter(None, map(_as_pattern, mentions.texts)))
        names_some = any(is_distinctive(word) and word in binding.modules for word in named.words)
        if binding.name in mentions.texts and not names_some:
            named.patterns.add(rf"{binding.name}\..*")
    if _STARTING.search(data):
        named.programs = {word for text in mentions.texts for word in re.split(r"[\s/]", text)}
    if _LOAD_UI_TYPE in data:
        named.programs.add(_UI_COMPILER)
    if _RESOURCE_DATA.encode() in data or _QML_BYTES.search(data):
        contents = _read_contents(_bytes_in(data))
        named.qml |= contents.qml
        named.classes |= contents.classes
        named.words |= contents.words
    return named


def _add_text(named: Named, text: str) -> None:
    """Add what a string names: a module by its name, in code, or in a form or a document."""
    if not re.search(r"\s", text):
        named.words.update(_WORD.findall(text))
        named.files.update(_names_of_files(text))
        if text.startswith(BINDINGS):
            named.names.add(text)
        return
    named.names.update(modules_in_text(text))
    data = text.encode("utf-8", "replace")
    contents = _read_contents([data])
    named.classes |= contents.classes
    named.qml |= contents.qml
    if re.search(r"(?<!\w)import\s", text):
        named.words.update(_WORD.findall(text))


def _names_of_files(text: str) -> set[str]:
    """Return the names that a string may be the path of, with and without what files of libraries begin and end by."""
    name = text.rpartition("/")[2]
    stem = name.split(".so")[0].removeprefix("lib")
    return {name, stem} if stem.startswith(("q", "Q", "Qt")) else {name}


def _as_pattern(text: str) -> str | None:
    """Return a pattern for a name of which a part is not known: "PySide6.{}", "PyQt6.Qt" + name; None for other texts.

    A prefix counts as well, as of a name that is put together by ``+``.
    """
    pieces = _FILLED_IN.split(text)
    known = [piece for piece in pieces if piece.startswith((*BINDINGS, "Qt")) or ".Qt" in piece]
    if re.search(r"\s", text) or not known or not ("." in text or len(pieces) > 1 or text == "Qt"):
        return None
    if len(pieces) == 1 and not re.fullmatch(r"(?:\w+\.)?(?:Qt\w{0,2})?", text):
        return None
    pattern = r"\w*".join(map(re.escape, pieces)) + (r"\w*" if len(pieces) == 1 else "")
    return pattern if "." in text else rf"\w+\.{pattern}"


def _imports_unknown(data: bytes) -> bool:
    """Whether a source imports something by a name that it does not have as a whole."""
    if not any(name.encode() in data for name in (*IMPORTING, "getattr")):
        return False
    tree = parse_if_python(data)
    return tree is None or any(_is_unknown(node) for node in ast.walk(tree))


def _is_unknown(node: ast.AST) -> bool:
    return called_name(node) in IMPORTING and isinstance(node, ast.Call) and not _is_constant(node.args)


def _is_constant(arguments: Iterable[ast.expr]) -> bool:
    return all(isinstance(argument, ast.Constant) for argument in list(arguments)[:1])


def _bytes_in(data: bytes) -> Iterator[bytes]:
    """Yield the bytes in a source that may be documents, or are the data of Qt's resources."""
    tree = parse_if_python(data)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Constant) and isinstance(node.value, bytes):
            yield node.value
            yield from read_entries(node.value) if len(node.value) > _SMALLEST_RESOURCE else ()


def _words(data: bytes) -> set[str]:
    return {word.decode("ascii", "replace") for word in set(_BYTES_WORD.findall(data))}


def _dotted(data: bytes) -> set[str]:
    found = _DOTTED.findall(data) if any(name.encode() in data for name in BINDINGS) else ()  # which is much sooner
    return {name.decode("ascii", "replace") for name in found}


def _files(data: bytes) -> set[str]:
    found = set()
    for end in _FILE_END.finditer(data):
        begin = _FILE_BEGIN.search(data, max(0, end.start() - _LONGEST_FILE), end.start())
        found |= {(begin[0] + end[0]).decode("ascii", "replace")} if begin else set()
    return found
