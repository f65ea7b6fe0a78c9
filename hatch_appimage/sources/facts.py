# SPDX-License-Identifier: MIT
"""All that any step wants to know of a Python source, from one look at it. Nothing of it is run."""

from __future__ import annotations

import gc
import json
import re
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from hatch_appimage.sources.actions import find_actions
from hatch_appimage.sources.mentions import Mentions, find_mentions
from hatch_appimage.sources.namespaces import find_namespaces
from hatch_appimage.sources.plots import opens_plots
from hatch_appimage.sources.statements import (
    IMPORTING,
    Import,
    find_imports,
    imports_in_functions,
    imports_of_builtins,
)
from hatch_appimage.sources.units import Fallback, Unit, find_units
from hatch_appimage.sources.uses import SourceUse, find_source_use
from hatch_appimage.syntax import Nodes, parse_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_WORD = re.compile(rb"[A-Za-z_]\w*")


class Text(NamedTuple):
    """A Python source as it is read.

    Attributes:
        data: its content.
        package: the absolute name of the package that it is in.
        stdlib: it is of the standard library.

    """

    data: bytes
    package: str
    stdlib: bool


@dataclass(frozen=True)
class Facts:
    """What a source says of itself.

    Nobody asks what a module of the standard library mentions or does, nor which units any other has.

    Attributes:
        imports: all that it imports, wherever in it.
        deferring: its functions import something when they are called.
        units: its parts, of a module of the standard library.
        mentions: what it names.
        builtins: the modules that Python imports for functions that are built in and that it calls.
        words: all words in it, comments among them.
        actions: what it does that runs other code.
        use: what it does with the files of sources.
        plots: it has matplotlib open windows.
        namespaces: those of GObject introspection that it names, with their versions; "" where it names none.

    """

    imports: tuple[Import, ...] = ()
    deferring: bool = False
    units: tuple[Unit, ...] = ()
    mentions: Mentions = field(default_factory=Mentions)
    builtins: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    actions: tuple[str, ...] = ()
    use: SourceUse = field(default_factory=SourceUse)
    plots: bool = False
    namespaces: tuple[tuple[str, str], ...] = ()


def find_all(texts: Iterable[Text]) -> list[Facts | None]:
    """Return what some sources say of themselves; None for what is no Python 3, or nested too deeply."""
    with _no_collection():
        return [_find(text) for text in texts]


def _find(text: Text) -> Facts | None:
    try:
        tree = parse_source(text.data)
        nodes = Nodes(tree)
        # To know all words tells at once that most of what is looked for is not there.
        words = _words(text)
        imports = tuple(find_imports(words, tree, nodes, text.package))
        deferring = imports_in_functions(words, nodes, imports)
        if text.stdlib:
            return Facts(imports, deferring, units=find_units(tree, text.package))
        return Facts(
            imports,
            deferring,
            builtins=imports_of_builtins(nodes),
            words=words,
            actions=find_actions(words, nodes),
            use=find_source_use(text.data, words, nodes),
            plots=opens_plots(words, nodes),
            namespaces=find_namespaces(words, nodes, imports),
            mentions=find_mentions(words, tree, nodes, imports, text.package),  # the last one, as it cuts the tree
        )
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _words(text: Text) -> frozenset[str]:
    """Return all words in a source; for one of the standard library those that may matter, which takes no time."""
    if text.stdlib:
        return frozenset(name for name in IMPORTING if name.encode() in text.data)
    return frozenset(word.decode() for word in set(_WORD.findall(text.data)))


@contextmanager
def _no_collection() -> Iterator[None]:
    """Have no garbage collection meanwhile: trees and facts have no circles, and all of them are looked at repeatedly.

    Parsing and unpacking take a third of the time then.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def pack(found: Iterable[Facts | None]) -> bytes:
    """Return what some sources say of themselves as a line of JSON, always the same for the same."""
    return json.dumps(list(map(_pack, found)), separators=(",", ":")).encode("ascii")


def unpack(packed: bytes) -> list[Facts | None]:
    """Return what was packed."""
    with _no_collection():
        return list(map(_unpack, json.loads(packed)))


def _pack(facts: Facts | None) -> list[Any] | None:
    if facts is None:
        return None
    mentions = facts.mentions
    return [
        [astuple(each) for each in facts.imports],
        facts.deferring,
        [_pack_unit(unit) for unit in facts.units],
        [sorted(mentions.imports), sorted(mentions.texts), mentions.calls, mentions.defines],
        sorted(facts.builtins),
        " ".join(sorted(facts.words)),
        facts.actions,
        astuple(facts.use),
        facts.plots,
        facts.namespaces,
    ]


def _pack_unit(unit: Unit) -> list[Any]:
    fallbacks = [(sorted(each.tried), sorted(each.imports)) for each in unit.fallbacks]
    return [unit.name, fallbacks, *map(sorted, (unit.imports, unit.names, unit.affixes, unit.modules))]


def _unpack(packed: list[Any] | None) -> Facts | None:
    if packed is None:
        return None
    imports, deferring, units, (imported, texts, *flags), builtins, words, actions, (names, *uses), *rest = packed
    plots, namespaces = rest
    return Facts(
        tuple(Import(*each) for each in imports),
        deferring,
        tuple(map(_unpack_unit, units)),
        Mentions(frozenset(imported), frozenset(texts), *flags),
        frozenset(builtins),
        frozenset(words.split()),
        tuple(actions),
        SourceUse(tuple(names), *uses),
        plots,
        tuple((name, version) for name, version in namespaces),
    )


def _unpack_unit(packed: list[Any]) -> Unit:
    name, fallbacks, imports, names, affixes, modules = packed
    return Unit(
        name,
        frozenset(imports),
        tuple(Fallback(frozenset(tried), frozenset(instead)) for tried, instead in fallbacks),
        frozenset(names),
        frozenset(affixes),
        frozenset(modules),
    )
