# SPDX-License-Identifier: MIT
"""Markdown as descriptions of AppStream have it: paragraphs and lists, emphasis and code.

https://www.freedesktop.org/software/appstream/docs/chap-Metadata.html#tag-description
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from markdown_it.tree import SyntaxTreeNode

_LISTS = {"bullet_list": "ul", "ordered_list": "ol"}
_EMPHASIS = frozenset({"em", "strong"})
# Characters that no document of XML has (XML 1.0, section 2.2), and half ones. The inverse takes long to compile.
_NOT_IN_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# Addresses belong into links, which descriptions have none of: what is left names the place.
_SCHEME = re.compile(r"(?:https?|ftp)://(?=\S)")


def parse_markdown(text: str) -> SyntaxTreeNode:
    """Return the tree of a document."""
    from markdown_it import MarkdownIt  # noqa: PLC0415 - loading it takes long, and few builds have such a document
    from markdown_it.tree import SyntaxTreeNode  # noqa: PLC0415 - as above

    return SyntaxTreeNode(MarkdownIt("commonmark").enable("table").parse(text))


def to_markup(nodes: Iterable[SyntaxTreeNode]) -> list[Element]:
    """Return the elements of a description; what descriptions cannot have, such as pictures and tables, is left out.

    Args:
        nodes: blocks of a document.

    """
    return [element for node in nodes for element in _of_block(node) if "".join(element.itertext()).strip()]


def to_text(node: SyntaxTreeNode) -> str:
    """Return the words of a block in one line."""
    return " ".join("".join(text for _, text in _of_inline(node)).split())


def clean(text: str) -> str:
    """Return a text in one line, without addresses and characters that AppStream or XML refuse in it."""
    return _SCHEME.sub("", " ".join(_NOT_IN_XML.sub("", text).split()))


def capitalize(text: str, name: str = "") -> str:
    """Let a sentence begin with a capital, unless its first word has one elsewhere or is a name."""
    first = text.partition(" ")[0]
    return text if first == name or any(letter.isupper() for letter in first) else text[:1].upper() + text[1:]


def _of_block(node: SyntaxTreeNode) -> Iterator[Element]:
    if node.type in ("paragraph", "heading"):
        element = _fill(Element("p"), node)
        element.text = capitalize(element.text or "")
        yield element
    elif node.type in _LISTS:
        found = Element(_LISTS[node.type])
        _add_items(found, node)
        yield found
    elif node.type == "blockquote":
        for child in node.children:
            yield from _of_block(child)


def _add_items(parent: Element, node: SyntaxTreeNode) -> None:
    """Add the items of a list; those of lists inside of it follow, as AppStream knows one level."""
    for item in node.children:
        if words := [child for child in item.children if child.type == "paragraph" and to_text(child)]:
            _fill(SubElement(parent, "li"), *words)
        for child in item.children:
            if child.type in _LISTS:
                _add_items(parent, child)


def _fill(element: Element, *nodes: SyntaxTreeNode) -> Element:
    """Write the words of blocks into an element."""
    last: Element | None = None
    element.text = ""
    for number, node in enumerate(nodes):
        for tag, text in (("", " " if number else ""), *_of_inline(node)):
            if tag and text:
                last = SubElement(element, tag)
                last.text, last.tail = text, ""
            elif last is None:
                element.text += text
            else:
                last.tail = f"{last.tail}{text}"
    return element


def _of_inline(node: SyntaxTreeNode, tag: str = "") -> Iterator[tuple[str, str]]:
    """Yield texts, each with the element that it is in; elements do not nest."""
    if node.type == "text":
        yield tag, _SCHEME.sub("", _NOT_IN_XML.sub("", node.content))
    elif node.type == "code_inline":
        yield "code", _SCHEME.sub("", _NOT_IN_XML.sub("", node.content))
    elif node.type in ("softbreak", "hardbreak"):
        yield tag, " "
    elif node.type != "image":
        inner = "em" if node.type in _EMPHASIS else tag
        for child in node.children:
            yield from _of_inline(child, inner)
