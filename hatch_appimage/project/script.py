# SPDX-License-Identifier: MIT
"""The metadata inside a script (https://packaging.python.org/en/latest/specifications/inline-script-metadata/)."""

from __future__ import annotations

import io
import os
import re
import tokenize
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from hatch_appimage import TABLE
from hatch_appimage.errors import AppImageError
from hatch_appimage.toml import tomllib
from hatch_appimage.uv import check_pip_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

#: What uv calls the lock of a script, behind the script's name (`uv lock --script`).
SCRIPT_LOCK = ".lock"
_BEGIN = re.compile(r"# /// (?P<kind>[a-zA-Z0-9-]+)")
_END = "# ///"
_KIND = "script"
_KEYS = ("dependencies", "requires-python", "tool")
_SHEBANG = re.compile(rb"#!.*\b(?:python[\d.]*|uv\b.*\brun)\b")
# Settings of uv that name files, beside the places of single packages and of indexes.
_ADDRESSES = ("extra-index-url", "find-links", "index-url")


def is_script(path: Path) -> bool:
    """Whether a file is a Python script by its name or first line."""
    if path.suffix in (".py", ".pyw"):
        return True
    with path.open("rb") as file:
        return _SHEBANG.match(file.readline(256)) is not None


def read_block(path: Path) -> dict[str, Any]:
    """Return the metadata that a script has in its comments; an empty table if it has none.

    What it names relative to the script's directory is made absolute, in ``[tool.uv]``, too.

    Raises:
        AppImageError: the file is not text, or has metadata that are not as the specification wants them.

    """
    blocks = [(line, text) for line, kind, text in _blocks(path, _read(path)) if kind == _KIND]
    if not blocks:
        return {}
    if len(blocks) > 1:
        lines = " and ".join(str(line) for line, _ in blocks)
        raise AppImageError(f"{path} has more than one `# /// script` block, in lines {lines}: make one of them")
    ((line, text),) = blocks
    try:
        block = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise AppImageError(f"{path}: the `# /// script` block in line {line} is no valid TOML: {error}") from error
    _check(path, block)
    return _with_absolute_paths(block, path.parent)


def _read(path: Path) -> str:
    data = path.read_bytes()
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return data.decode(encoding)
    except (SyntaxError, UnicodeDecodeError) as error:
        raise AppImageError(f"{path} is no text of Python: {error}") from error


def _blocks(path: Path, text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the number of the first line, the kind and the content of each block."""
    lines = [line.rstrip("\r") for line in text.split("\n")]
    number = 0
    while number < len(lines):
        match = _BEGIN.fullmatch(lines[number].rstrip())
        number += 1
        if match is None:
            continue
        begin = number
        while number < len(lines) and (lines[number] == "#" or lines[number].startswith("# ")):
            number += 1
        # A line `# ///` in the content ends nothing as long as comments follow it: the last one does.
        ends = [each for each in range(begin, number) if lines[each].rstrip() == _END]
        if not ends:
            if match["kind"] != _KIND:
                continue
            raise AppImageError(
                f"{path}: the `# /// script` block in line {begin} is not closed: `# ///` must follow it, and each "
                "line until then must begin with `# `"
            )
        # Comments behind the block belong to nothing, unless a second block begins among them.
        last = ends[-1]
        inner = next((each for each in range(begin, last) if _BEGIN.fullmatch(lines[each].rstrip())), None)
        last = last if inner is None else next((each for each in ends if each < inner), last)
        yield begin, match["kind"], "\n".join(line[2:] for line in lines[begin:last])
        number = last + 1


def _check(path: Path, block: Mapping[str, Any]) -> None:
    for key in block:
        if key not in _KEYS:
            raise AppImageError(f"{path}: its metadata have `{key}`, and can have {', '.join(_KEYS)} only")
    dependencies = block.get("dependencies", [])
    if not isinstance(dependencies, list) or not all(isinstance(item, str) for item in dependencies):
        raise AppImageError(f"{path}: `dependencies` in its metadata must be an array of strings")
    for item in dependencies:
        _check_requirement(path, item)
    try:
        SpecifierSet(_text(path, block, "requires-python"))
    except InvalidSpecifier as error:
        raise AppImageError(f"{path}: `requires-python` in its metadata is no version specifier: {error}") from error
    _check_tool(path, block)


def _check_requirement(path: Path, text: str) -> None:
    try:
        Requirement(text)
    except InvalidRequirement as error:
        raise AppImageError(
            f"{path}: `dependencies` in its metadata has an item that is no requirement (PEP 508): `{text}`"
        ) from error


def _text(path: Path, block: Mapping[str, Any], key: str) -> str:
    value = block.get(key, "")
    if not isinstance(value, str):
        raise AppImageError(f"{path}: `{key}` in its metadata must be a string")
    return value


def _check_tool(path: Path, block: Mapping[str, Any]) -> None:
    """See that the tables of tools can be read, and that none says what would be ignored."""
    keys: tuple[str, ...] = ()
    table: Any = block
    for key in ("tool", *TABLE.split(".")[1:]):
        keys = (*keys, key)
        table = table.get(key, {})
        if not isinstance(table, dict):
            raise AppImageError(f"{path}: `{'.'.join(keys)}` in its metadata must be a table")
    tool = block.get("tool", {})
    if "hatch-appimage" in tool:
        raise AppImageError(f"{path}: options are in [{TABLE}] of its metadata, not in [tool.hatch-appimage]")
    uv = tool.get("uv", {})
    if not isinstance(uv, dict) or not all(isinstance(uv.get(key, {}), dict) for key in ("pip", "sources")):
        raise AppImageError(f"{path}: `tool.uv`, `tool.uv.pip` and `tool.uv.sources` in its metadata must be tables")
    check_pip_settings(uv.get("pip", {}), f"[tool.uv.pip] of {path}")
    for name, entry in uv.get("sources", {}).items():
        for source in _tables(entry):
            if "workspace" in source:
                raise AppImageError(
                    f"{path}: [tool.uv.sources] takes {name} from a workspace, and a script is in none: name its "
                    '`path`, as in `{ path = "libs/acme" }`'
                )
            if "path" in source and not (path.parent / str(source["path"])).exists():
                raise AppImageError(
                    f"{path}: [tool.uv.sources] takes {name} from `{source['path']}`, which is not there (paths are "
                    f"relative to {path.parent})"
                )


def _with_absolute_paths(block: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    made = dict(block)
    root = directory.as_uri().removeprefix("file://")
    if "dependencies" in made:
        made["dependencies"] = [text.replace("${PROJECT_ROOT}", root) for text in made["dependencies"]]
    if uv := made.get("tool", {}).get("uv"):
        made["tool"] = {**made["tool"], "uv": absolute_settings(uv, directory)}
    return made


def absolute_settings(settings: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """Return settings of uv in which no file is named relative to a directory.

    Args:
        settings: as in ``[tool.uv]`` (https://docs.astral.sh/uv/reference/settings/).
        directory: that it is relative to.

    """

    def place(value: Any) -> Any:
        if isinstance(value, list):
            return [place(each) for each in value]
        if not isinstance(value, str) or "://" in value:
            return value
        return os.path.normpath(directory / value)

    made = {key: place(value) if key in _ADDRESSES else value for key, value in settings.items()}
    if "index" in made:
        made["index"] = [{**it, "url": place(it["url"])} if "url" in it else it for it in _tables(made["index"])]
    if isinstance(pip := made.get("pip"), dict):
        made["pip"] = absolute_settings(pip, directory)
    if isinstance(sources := made.get("sources"), dict):
        made["sources"] = {
            name: [{**it, "path": place(it["path"])} if "path" in it else it for it in _tables(entry)]
            for name, entry in sources.items()
        }
    return made


def _tables(value: Any) -> list[dict[str, Any]]:
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict)]
