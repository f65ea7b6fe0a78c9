# SPDX-License-Identifier: MIT
"""Icons: those of projects, and the generated one."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import pytest

from hatch_appimage.desktop import icon as icon_module
from hatch_appimage.desktop.icon import STANDARD_SIZES, Icon, check_picture, generate_icon
from hatch_appimage.desktop.render import render_png
from support.png import SIGNATURE, chunk, chunks, plain, read_pixels, write_png

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M0 0h9v9z"/></svg>'
PALETTE = chunk(b"PLTE", bytes([200, 0, 0, 0, 0, 250])) + chunk(b"tRNS", bytes([255, 128]))
RED, CLEAR = (200, 0, 0, 255), (0, 0, 0, 0)


def read(directory: Path, data: bytes, name: str = "icon") -> Icon:
    path = directory / name
    path.write_bytes(data)
    return Icon.read(path)


class TestRead:
    @pytest.mark.parametrize("name", ["icon.png", "icon.svg", "icon"])
    def test_png_whatever_its_name(self, tmp_path: Path, name: str) -> None:
        data = plain(48, 32)
        icon = read(tmp_path, data, name)
        assert icon == Icon("png", data, (48, 32))
        assert icon.hicolor_directory == "48x32"

    whole = plain(32, 32)
    pixels = zlib.compress(bytes(32 * 129))

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (SIGNATURE, "it is damaged"),
            (SIGNATURE + chunk(b"IEND", b""), "it is damaged"),
            (whole[:-1], "it is damaged"),
            (whole[:-12], "it is not whole"),
            (whole[:40], "it is damaged"),
            (whole.replace(b"IHDR", b"IHDX"), "its 'IHDX' part is damaged"),
            (whole[:60] + bytes([whole[60] ^ 1]) + whole[61:], "its 'IDAT' part is damaged"),
            (plain(0, 32), "its header is damaged"),
            (write_png(32, 32, lambda _x, _y: (0,), depth=3, colour=0), "its header is damaged"),
            (write_png(32, 32, lambda _x, _y: (0,), depth=8, colour=5), "its header is damaged"),
            (write_png(32, 32, lambda _x, _y: (0,), colour=3), "it is not whole"),
            (whole.replace(chunks(whole)[b"IDAT"], b"?"), "it is damaged"),
            (plain(1, 1), "it has 1 x 1 pixels, and the smallest icons have 16 x 16"),
            (plain(15, 8), "it has 15 x 8 pixels, and the smallest icons have 16 x 16"),
        ],
    )
    def test_png_that_cannot_be_used(self, tmp_path: Path, data: bytes, reason: str) -> None:
        with pytest.raises(ValueError, match=rf"^names a PNG that cannot be used: {reason}: .*/icon$"):
            read(tmp_path, data)

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"no zlib", "its pixels are damaged"),
            (pixels[:-30], "its pixels are not all there"),
            (zlib.compress(bytes(32 * 129 - 1)), "its pixels are not all there"),
            (zlib.compress(bytes([5]) + bytes(32 * 129 - 1)), "its pixels are damaged"),
            (zlib.compress(bytes(31 * 129) + bytes([9]) + bytes(128)), "its pixels are damaged"),
        ],
    )
    def test_pixels_of_a_png(self, tmp_path: Path, content: bytes, reason: str) -> None:
        header = self.whole[: len(SIGNATURE) + 25]
        with pytest.raises(ValueError, match=rf"^names a PNG that cannot be used: {reason}: .*/icon$"):
            read(tmp_path, header + chunk(b"IDAT", content) + chunk(b"IEND", b""))

    @pytest.mark.parametrize("size", [(4097, 1), (1, 4097), (2**31 - 1, 2**31 - 1)])
    def test_huge_png(self, tmp_path: Path, size: tuple[int, int]) -> None:
        header = struct.pack(">IIBBBBB", *size, 16, 6, 0, 0, 0)
        data = SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
        with pytest.raises(ValueError, match=rf"it has {size[0]} x {size[1]} pixels, and an icon can have 4096 x 4096"):
            read(tmp_path, data)

    def test_pixels_that_unpack_to_far_more(self, tmp_path: Path) -> None:
        """No more of them is unpacked than the picture has: what follows is of no use, and of whatever length."""
        header = self.whole[: len(SIGNATURE) + 25]
        data = header + chunk(b"IDAT", zlib.compress(bytes(50_000_000))) + chunk(b"IEND", b"")
        assert read(tmp_path, data).size == (32, 32)

    @pytest.mark.parametrize(
        "data",
        [
            SVG,
            b'\xef\xbb\xbf<?xml version="1.0" encoding="UTF-8"?>\n' + SVG,
            b"<?xml version='1.0'?><!-- made by hand -->\n<!DOCTYPE svg>\n" + SVG,
            b'<s:svg xmlns:s="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><s:path d="M0 0h9v9z"/></s:svg>',
            '<?xml version="1.0" encoding="UTF-16"?>'.encode("utf-16") + SVG.decode().encode("utf-16-le"),
        ],
    )
    def test_svg(self, tmp_path: Path, data: bytes) -> None:
        icon = read(tmp_path, data)
        assert icon == Icon("svg", data, None)
        assert icon.hicolor_directory == "scalable"

    @pytest.mark.parametrize(
        "body",
        ["", "<text y='5'>a</text>", "<image width='9' height='9' href='/etc/hostname'/>"],
    )
    def test_svg_that_shows_nothing(self, tmp_path: Path, body: str) -> None:
        data = f'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">{body}</svg>'.encode()
        with pytest.raises(ValueError, match=r"^names an SVG that shows nothing .*: .*/icon$"):
            read(tmp_path, data)

    @pytest.mark.parametrize("can_render", [True, False])
    @pytest.mark.parametrize("data", [SVG[:-6], SVG.replace(b"/></svg>", b"></svg>"), SVG + b"<", SVG + SVG])
    def test_svg_that_is_damaged(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, *, can_render: bool
    ) -> None:
        """It is found where nothing can be drawn, too."""
        monkeypatch.setattr(icon_module, "CAN_RENDER", can_render)
        with pytest.raises(ValueError, match=r"^names an SVG that is damaged: .* line 1, column \d+: .*/icon$"):
            read(tmp_path, data)

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


class TestCheckPicture:
    @pytest.mark.parametrize(
        ("data", "kind"),
        [
            (plain(32, 32), "png"),
            (plain(7, 9), "png"),
            (SVG, "svg"),
            (b"/* XPM */\nstatic char *x[] = {", "xpm"),
            (b"! XPM2\n1 1 1 1", "xpm"),
        ],
    )
    def test_pictures(self, data: bytes, kind: str) -> None:
        check_picture(data, kind)
        check_picture(data, "")

    @pytest.mark.parametrize(
        ("data", "kind", "message"),
        [
            (b"text", "png", "is no PNG"),
            (SVG, "png", "is no PNG"),
            (plain(32, 32)[:-12], "png", "is a PNG that cannot be used: it is not whole"),
            (plain(32, 32), "svg", "is no SVG"),
            (b"<html/>", "svg", "is no SVG"),
            (SVG[:-6], "svg", "is an SVG that is damaged: no element found: line 1"),
            (plain(32, 32), "xpm", "is no XPM"),
            (b"", "", "is neither a PNG, an SVG nor an XPM"),
        ],
    )
    def test_what_is_none(self, data: bytes, kind: str, message: str) -> None:
        with pytest.raises(ValueError, match=f"^{message}"):
            check_picture(data, kind)


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


def samples(depth: int, count: int) -> Callable[[int, int], tuple[int, ...]]:
    """Return a picture whose every pixel tells where it is."""
    return lambda x, y: tuple((x * 7 + y * 13 + 5 * part) % 2**depth for part in range(count))


def shown(values: tuple[int, ...], depth: int, colour: int) -> tuple[int, ...]:
    """Return the colour that a pixel has, as 8-bit RGBA."""
    if colour == 3:
        return ((200, 0, 0, 255), (0, 0, 250, 128))[values[0] % 2]
    scaled = [value * 255 // (2**depth - 1) if depth < 8 else value >> (depth - 8) for value in values]
    if colour in (0, 4):
        scaled[0:1] = scaled[0:1] * 3
    return tuple(scaled) if len(scaled) == 4 else (*scaled, 255)


class TestForDesktops:
    @pytest.mark.parametrize("size", STANDARD_SIZES)
    def test_standard_size_stays_as_it_is(self, size: int) -> None:
        icon = Icon("png", plain(size, size), (size, size))
        assert icon.for_desktops() is icon

    def test_svg_stays_as_it_is(self) -> None:
        icon = Icon("svg", SVG, None)
        assert icon.for_desktops() is icon

    @pytest.mark.parametrize(
        ("size", "side"),
        [((300, 300), 256), ((17, 17), 16), ((16, 3), 16), ((48, 32), 48), ((255, 255), 192)],
    )
    def test_next_smaller_size(self, size: tuple[int, int], side: int) -> None:
        icon = Icon("png", plain(*size), size).for_desktops()
        assert (icon.kind, icon.size, icon.hicolor_directory) == ("png", (side, side), f"{side}x{side}")
        assert len(read_pixels(icon.data)) == len(read_pixels(icon.data)[0]) == side

    @pytest.mark.parametrize(("width", "height"), [(300, 100), (100, 300), (64, 21), (21, 64)])
    def test_oblong_is_padded(self, width: int, height: int) -> None:
        icon = Icon("png", plain(width, height), (width, height)).for_desktops()
        rows = read_pixels(icon.data)
        columns = [list(column) for column in zip(*rows, strict=True)]
        side = len(rows)
        long, short = (rows, columns) if height > width else (columns, rows)
        assert all(RED in line for line in long)
        marked = [number for number, line in enumerate(short) if RED in line]
        third = round(min(width, height) * side / max(width, height))
        assert marked == list(range((side - third) // 2, (side - third) // 2 + third))
        assert set(short[0]) == {CLEAR}
        assert {pixel for row in rows for pixel in row} == {RED, CLEAR}

    def test_picture_is_kept_where_its_size_is(self) -> None:
        data = write_png(32, 9, samples(8, 3), colour=2)
        rows = read_pixels(Icon("png", data, (32, 9)).for_desktops().data)
        picture = [[shown(samples(8, 3)(x, y), 8, 2) for x in range(32)] for y in range(9)]
        assert rows[11:20] == picture

    def test_average_of_pixels(self) -> None:
        data = write_png(44, 44, lambda x, y: (255 * ((x + y) % 2),), colour=0)
        rows = read_pixels(render_png(data, (44, 44), 22))
        assert {value for row in rows for pixel in row for value in pixel[:3]} <= {127, 128}

    @pytest.mark.parametrize("interlace", [0, 1])
    @pytest.mark.parametrize(
        ("depth", "colour", "count"),
        [
            *((depth, 0, 1) for depth in (1, 2, 4, 8, 16)),
            *((depth, 3, 1) for depth in (1, 2, 4, 8)),
            *((depth, colour, count) for depth in (8, 16) for colour, count in ((2, 3), (4, 2), (6, 4))),
        ],
    )
    def test_every_kind_of_png(self, tmp_path: Path, depth: int, colour: int, count: int, interlace: int) -> None:
        find = samples(1, 1) if colour == 3 else samples(depth, count)
        data = write_png(32, 11, find, depth=depth, colour=colour, interlace=interlace, more=PALETTE * (colour == 3))
        icon = read(tmp_path, data)
        rows = read_pixels(icon.for_desktops().data)[10:21]
        for y, row in enumerate(rows):
            for x, pixel in enumerate(row):
                wanted = shown(find(x, y), depth, colour)
                # What is hidden has no colour, and what is half hidden is stored as a product with its opacity.
                off = 0 if wanted[3] == 255 else 128 // max(1, wanted[3]) + 1
                assert pixel[3] == wanted[3]
                if wanted[3]:
                    assert all(abs(a - b) <= off for a, b in zip(pixel, wanted, strict=True)), (x, y, pixel, wanted)

    def test_same_bytes_again(self) -> None:
        icon = Icon("png", write_png(20, 18, samples(8, 4)), (20, 18))
        assert icon.for_desktops() == icon.for_desktops()

    def test_where_nothing_can_be_drawn(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(icon_module, "CAN_RENDER", False)
        icon = Icon("png", plain(300, 200), (300, 200))
        assert icon.for_desktops() is icon
        assert icon.for_directory() == icon.data
        unscaled = (
            "File managers may show no picture of the image: `.DirIcon` is the icon as it is, as nothing scales it on "
            "this machine; make the icon a PNG of 256 x 256 pixels"
        )
        assert caplog.messages == [
            (
                "Most desktops do not find an icon of 300 x 200 pixels, and nothing scales it on this machine: make it "
                "one of 256 x 256"
            ),
            unscaled,
        ]
        caplog.clear()
        svg = read(tmp_path, SVG)
        assert svg.for_directory() == SVG
        assert caplog.messages == [unscaled]


class TestForDirectory:
    @pytest.mark.parametrize("size", [(16, 16), (48, 32), (256, 256), (300, 300), (512, 512)])
    def test_png(self, size: tuple[int, int]) -> None:
        rows = read_pixels(Icon("png", plain(*size), size).for_directory())
        assert (len(rows), len(rows[0])) == (256, 256)
        assert rows[128][128] == RED

    def test_png_of_the_right_size_stays_as_it_is(self) -> None:
        data = plain(256, 256)
        assert Icon("png", data, (256, 256)).for_directory() == data

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
    def test_svg(self, tmp_path: Path, encoding: str) -> None:
        text = (
            f'<?xml version="1.0" encoding="{encoding}"?><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 2">'
            '<title>ä</title><rect width="4" height="2" fill="#c80000"/></svg>'
        )
        rows = read_pixels(read(tmp_path, text.encode(encoding)).for_directory())
        assert [{*row} for row in rows] == [{CLEAR}] * 64 + [{RED}] * 128 + [{CLEAR}] * 64

    def test_text_of_an_svg(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        text = SVG.replace(b"</svg>", b'<text y="5">a</text></svg>')
        assert read(tmp_path, text).for_directory() == read(tmp_path, SVG).for_directory()
        (message,) = caplog.messages
        assert message.startswith("The icon has text, and file managers may show it without: ")
