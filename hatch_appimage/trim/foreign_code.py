# SPDX-License-Identifier: MIT
"""Find out whether an application runs code that is not in its image: its users' scripts, plugins and settings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hatch_appimage.sources.actions import EXECUTING, INTERPRETER, LOADERS, find_actions_in_text
from hatch_appimage.sources.files import facts_of
from hatch_appimage.sources.statements import IMPORTING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from hatch_appimage.sources.files import Source
    from hatch_appimage.sources.reader import SourceReader

# What an application starts with the interpreter may be code in a string, put together in any way; and what it imports
# by a name that it does not say may be anything. Packages do such things for applications that ask them to.
_STARTING = re.compile(
    rb"(?<!\w)(?:subprocess|create_subprocess_\w+|Popen|popen|exec[lv]\w*|spawn\w*|posix_spawn\w*)(?!\w)"
)
_OF_APPLICATIONS = IMPORTING | {INTERPRETER}
_LOADER = re.compile(rf"(?<!\w)(?:{'|'.join(sorted(LOADERS))})(?!\w)")
_WORD = re.compile(rb"[A-Za-z_]\w*")
_DOTTED = re.compile(rb"[A-Za-z_]\w*(?:\.\w+)+")
#: Packages that execute only what they have written themselves, such as the methods of a class or a template's code.
_GENERATORS = (
    "PyQt5",
    "PyQt6",
    "_plotly_utils",
    "attr",
    "babel",
    "cattr",
    "cattrs",
    "cffi",
    "decorator",
    "falcon",
    "fastjsonschema",
    "gevent",
    "jaraco",
    "jinja2",
    "msgspec",
    "networkx",
    "numpy",
    "pandas",
    "polars",
    "pycparser",
    "pydantic",
    "scipy",
    "six",
    "sklearn",
    "sqlalchemy",
    "typing_extensions",
    "typing_inspection",
    "werkzeug",
    "wrapt",
)
#: Modules that load only what the image has: files of their own package, the application's script in another process,
#: or a module that is found by its name. Those of NumPy and SciPy load what their own tests have compiled.
_LOADING_WHAT_IS_THERE = frozenset({
    "anyio.to_process",
    "joblib.externals.loky.backend.spawn",
    "lazy_loader",
    "loky.backend.spawn",
    "markdown.htmlparser",
    "multipart",
    "networkx.lazy_imports",
    "numpy.testing._private.extbuild",
    "parso.grammar",
    "scipy._lib._testutils",
    "sqlalchemy.util.langhelpers",
    "wrapt.importer",
})  # fmt: skip
#: Modules that run the code of their users where an application asks them to, with the words one of which it then uses.
_ON_REQUEST: Mapping[str, Sequence[str]] = {
    "dash._pages": ("use_pages",),
    "flask.cli": ("FlaskGroup", "ScriptInfo", "flask.cli"),
    "flask.config": ("from_envvar", "from_pyfile"),
    "incremental": ("incremental",),
    "invoke.config": ("invoke",),
    "invoke.loader": ("invoke",),
    "pygments.formatters": ("load_formatter_from_file",),
    "pygments.lexers": ("load_lexer_from_file",),
    "pytz": ("_test",),
    "threadpoolctl": ("threadpoolctl",),
    "tornado.util": ("exec_in", "parse_config_file", "render", "render_string", "tornado.template"),
    "uvicorn.main": ("app_dir", "uvicorn.main"),
    "werkzeug.debug.console": ("DebuggedApplication", "use_debugger", "werkzeug.debug"),
}


def find_foreign_code(
    sources: Sequence[Source], reached: Collection[Path], own: Collection[Path], reader: SourceReader
) -> str | None:
    """Return what runs code that is not in the image, and why; None if nothing is seen to.

    That is a call of `exec` or `eval` with something else than a constant, of what loads modules from files, or
    of an interpreter for people, and a change of `sys.path`; in the application itself also `sys.executable`, and an
    import by a name that is not said.

    Args:
        sources: the files that can run code.
        reached: those of modules that are imported.
        own: modules of the application itself, and of what it starts; all files of their packages count, and all that
            belong to none.
        reader: knows what sources do.

    """
    owners = {source.owner for source in sources if source.path in own} | {None}
    applications = [source for source in sources if source.owner in owners]
    others = [source for source in sources if source.path in reached and source.owner not in owners]
    # Much may be left unread: the first that is found is enough.
    for source in applications:
        for action in _actions_of(source, reader):
            if action != INTERPRETER or any(_starts_processes(each, reader) for each in applications):
                return f"{source.place} has `{action}`"
    words: set[str] | None = None
    for source in others:
        actions = _counting(source, _actions_of(source, reader))
        if actions and (requests := _ON_REQUEST.get(_module_of(source))):
            words = _words_of(applications, reader) if words is None else words
            actions = actions if not words.isdisjoint(requests) else []
        if actions:
            return f"{source.place} has `{actions[0]}`"
    return None


def _starts_processes(source: Source, reader: SourceReader) -> bool:
    return reader.may_read(source.path) and bool(_STARTING.search(source.path.read_bytes()))


def _actions_of(source: Source, reader: SourceReader) -> Sequence[str]:
    if facts := facts_of(source, reader):
        return facts.actions
    if reader.may_read(source.path):
        return find_actions_in_text(source.path.read_bytes())
    names = reader.names(source.path)
    return sorted({*_LOADER.findall(" ".join(names.dotted)), *(names.runs & LOADERS)}) if names.compiled else []


def _words_of(sources: Iterable[Source], reader: SourceReader) -> set[str]:
    """Return all that sources name, and the names of what they import."""
    words: set[str] = set()
    for source in sources:
        data = source.path.read_bytes()
        facts = facts_of(source, reader)
        for name in facts.mentions.imports if facts else ():
            words |= {name, name.rpartition(".")[0]}
        words.update(word.decode() for pattern in (_WORD, _DOTTED) for word in set(pattern.findall(data)))
    return words


def _module_of(source: Source) -> str:
    parts = source.place.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _counting(source: Source, actions: Sequence[str]) -> Sequence[str]:
    """Return what counts of that which a module of a dependency does."""
    actions = [action for action in actions if action not in _OF_APPLICATIONS]
    module = _module_of(source)
    if module in _LOADING_WHAT_IS_THERE:
        return []
    if module.split(".")[0] in _GENERATORS and module not in _ON_REQUEST:
        return [action for action in actions if action not in EXECUTING]
    return actions
