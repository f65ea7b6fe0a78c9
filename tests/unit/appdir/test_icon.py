# SPDX-License-Identifier: MIT
"""Icons: those of projects, and the generated one."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.appdir.icon import Icon, generate_icon

if TYPE_CHECKING:
    from pathlib import Path

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER = struct.pack(">I4sIIBBBBBI", 13, b"IHDR", 48, 32, 8, 6, 0, 0, 0, 0)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'


def read(directory: Path, data: bytes, name: str = "icon") -> Icon:
    path = directory / name
    path.write_bytes(data)
    return Icon.read(path)


def chunks(png: bytes) -> dict[bytes, bytes]:
    """Take a PNG apart and check every checksum."""
    assert png.startswith(SIGNATURE)
    found = {}
    place = len(SIGNATURE)
    while place < len(png):
        (length,) = struct.unpack_from(">I", png, place)
        kind, data = png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        assert struct.unpack_from(">I", png, place + 8 + length) == (zlib.crc32(kind + data),)
        found[kind] = data
        place += 12 + length
    return found


class TestRead:
    @pytest.mark.parametrize("name", ["icon.png", "icon.svg", "icon"])
    def test_png_whatever_its_name(self, tmp_path: Path, name: str) -> None:
        icon = read(tmp_path, SIGNATURE + HEADER, name)
        assert icon == Icon("png", SIGNATURE + HEADER, (48, 32))
        assert icon.hicolor_directory == "48x32"

    @pytest.mark.parametrize(
        "data", [SIGNATURE, (SIGNATURE + HEADER)[:-1], SIGNATURE + HEADER.replace(b"IHDR", b"IDAT")]
    )
    def test_damaged_png(self, tmp_path: Path, data: bytes) -> None:
        with pytest.raises(ValueError, match=r"^names a damaged PNG: .*/icon$"):
            read(tmp_path, data)

    @pytest.mark.parametrize(
        "data",
        [
            SVG,
            b'\xef\xbb\xbf<?xml version="1.0" encoding="UTF-8"?>\n' + SVG,
            b"<?xml version='1.0'?><!-- made by hand -->\n<!DOCTYPE svg>\n" + SVG,
            b'<s:svg xmlns:s="http://www.w3.org/2000/svg" />',
            '<?xml version="1.0" encoding="UTF-16"?>'.encode("utf-16") + SVG.decode().encode("utf-16-le"),
        ],
    )
    def test_svg(self, tmp_path: Path, data: bytes) -> None:
        icon = read(tmp_path, data)
        assert icon == Icon("svg", data, None)
        assert icon.hicolor_directory == "scalable"

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"GIF89a",
            b"\xff\xd8\xff\xe0\0\x10JFIF",
            b"<html xmlns='http://www.w3.org/1999/xhtml'/>",
            b"<svg>",
            b"svg",
            b"\x1f\x8b\x08\0",
            b"<?xml version='1.0' encoding='nonsense'?>" + SVG,
            b"<?xml version='1.0' encoding='shift_jis'?>" + SVG,
            b"<?xml version='1.0' encoding='hex'?>" + SVG,
        ],
    )
    def test_neither(self, tmp_path: Path, data: bytes) -> None:
        with pytest.raises(ValueError, match=r"^must name a PNG or SVG file, and .*/icon is neither$"):
            read(tmp_path, data)


class TestGenerate:
    def test_is_a_png(self) -> None:
        icon = generate_icon("my-app")
        parts = chunks(icon.data)
        assert list(parts) == [b"IHDR", b"IDAT", b"IEND"]
        assert struct.unpack(">IIBBBBB", parts[b"IHDR"]) == (256, 256, 8, 6, 0, 0, 0)
        assert len(zlib.decompress(parts[b"IDAT"])) == 256 * (1 + 4 * 256)
        assert (icon.kind, icon.size, icon.hicolor_directory) == ("png", (256, 256), "256x256")

    def test_can_be_read_again(self, tmp_path: Path) -> None:
        icon = generate_icon("my-app")
        assert read(tmp_path, icon.data) == icon

    def test_is_symmetric_with_transparent_corners(self) -> None:
        rows = zlib.decompress(chunks(generate_icon("my-app").data)[b"IDAT"])
        for y in range(256):
            row = rows[y * 1025 : (y + 1) * 1025]
            assert row[0] == 0
            pixels = [row[1 + 4 * x : 5 + 4 * x] for x in range(256)]
            assert pixels == pixels[::-1]
            if y in (0, 255):
                assert pixels[0][3] == 0
                assert pixels[128][3] == 255

    def test_is_the_same_for_the_same_name_only(self) -> None:
        assert generate_icon("a") == generate_icon("a")
        assert len({generate_icon(name).data for name in ("a", "b", "c")}) == 3
