# SPDX-License-Identifier: MIT
"""The page of the documentation is what was measured: its text and its plot come from the results."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from page import PAGE, PLOT, megabytes, table, write_page, write_plot
from plot import Bar, Column, draw
from results import RESULTS, Figure, Run, merge, read_runs, write_runs

if TYPE_CHECKING:
    from pathlib import Path

SVG = "{http://www.w3.org/2000/svg}"
MACHINE = {"processor": "a fast one", "memory": "2 GiB"}


def run(benchmark: str, *figures: Figure, remark: str = "", date: str = "2026-11-29") -> Run:
    return Run(benchmark, date, MACHINE, {"uv": "1.2"}, 5, remark, figures)


START = {"median": 20.4, "ratio": 1.234, "ratio low": 1.1, "ratio high": 1.4}
BUILD = {"first": 9.0, "first low": 8.0, "first high": 10.0, "first ratio": 1.5}
BUILD |= {"again": 3.0, "again low": 2.0, "again high": 4.0}
RUNS = [
    run(
        "size",
        Figure("hello-cli", "hatch-appimage", {"file": 12_345_678, "tree": 30_000_000}),
        Figure("hello-cli", "shiv", {"file": 1_000_000}),
        Figure("flask-app", "shiv", failed="shiv fails: no `pip` at all"),
    ),
    run("startup", Figure("hello-cli", "hatch-appimage", START), remark="A remark."),
    run("build", Figure("hello-cli", "hatch-appimage", BUILD)),
]


def test_the_page_is_that_of_the_results() -> None:
    """If not: `benchmarks/page.py`."""
    runs = read_runs(RESULTS)
    assert PAGE.read_text(encoding="utf-8") == write_page(runs)
    assert PLOT.read_text(encoding="utf-8") == write_plot(runs)


def test_results_are_complete() -> None:
    runs = read_runs(RESULTS)
    assert {one.benchmark for one in runs} == {"size", "startup", "build"}
    assert all(one.machine and one.versions and one.figures for one in runs)


def test_the_page_has_the_figures() -> None:
    page = write_page(RUNS)
    assert "| **hatch-appimage** | 12.3 (30.0) | - |" in page
    assert "| shiv | 1.0 | failed |" in page
    assert "- shiv, flask-app: `shiv fails: no pip at all`" in page
    assert "| **hatch-appimage** | 1.23 (1.10 to 1.40), 20 ms |" in page
    assert "| **hatch-appimage** | 9.0 s (8.0 to 10.0), 1.50 |" in page
    assert "| **hatch-appimage** | 3.0 s (2.0 to 4.0) |" in page
    assert "**A remark.**" in page


@pytest.mark.parametrize(
    ("size", "text"), [(12_345_678, "12.3"), (96_000, "0.1"), (40_000, "0.04"), (9_518, "0.01"), (1_234, "0.001")]
)
def test_small_sizes_have_a_digit(size: float, text: str) -> None:
    assert megabytes(size) == text


def test_machines_are_told_once() -> None:
    page = write_page(RUNS)
    assert page.count("- processor: a fast one") == 1
    assert "Size, startup, build:" in page
    page = write_page([replace(RUNS[0], machine={"processor": "a slow one"}), *RUNS[1:]])
    assert page.index("Size:\n\n- processor: a slow one") < page.index("Startup, build:\n\n- processor: a fast one")


def test_what_was_not_measured_has_no_section() -> None:
    page = write_page(RUNS[:1])
    assert "## Size" in page
    assert "## Start" not in page


def test_every_packer_has_a_line_in_every_table() -> None:
    lines = table(RUNS[0], lambda values: str(len(values))).splitlines()
    assert lines == [
        "|  | hello-cli | flask-app |",
        "| --- | --- | --- |",
        "| **hatch-appimage** | 2 | - |",
        "| shiv | 1 | failed |",
    ]


def test_a_newer_run_takes_the_place(tmp_path: Path) -> None:
    newer = run("size", Figure("hello-cli", "pex", {"file": 1}), date="2026-12-01")
    write_runs(tmp_path / "results.json", RUNS)
    write_runs(tmp_path / "size.json", [newer])
    merged = merge(read_runs(tmp_path / "results.json"), read_runs(tmp_path / "size.json"))
    assert merged == [RUNS[2], newer, RUNS[1]]


def parse(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - what this test has just drawn


def bars(svg: str) -> list[float]:
    elements = parse(svg).iter(f"{SVG}rect")
    return [float(rect.attrib["width"]) for rect in elements if "bar" in rect.attrib["class"]]


def test_bars_have_the_lengths_of_their_values() -> None:
    column = Column("MB", [[Bar(10, "10"), Bar(5, "5"), Bar(None, "failed")], [Bar(1, "1")]])
    first, second, other_group = bars(draw("t", [("a", ["x", "y", "z"]), ("b", ["x"])], [column], "x"))
    assert second / first == pytest.approx(0.5)
    assert other_group == first


def test_a_base_is_within_the_scale() -> None:
    svg = draw("t", [("a", ["x"])], [Column("ratio", [[Bar(0.5, "0.50")]], 1.0)], "x")
    (line,), (rect,) = parse(svg).findall(f"{SVG}line"), parse(svg).findall(f"{SVG}rect")[1:]
    assert float(line.attrib["x1"]) - float(rect.attrib["x"]) == pytest.approx(2 * float(rect.attrib["width"]), abs=1)


def test_the_base_does_not_go_through_text() -> None:
    values = [Bar(0.5, "0.50"), Bar(1.0, "1.00"), Bar(3, "3.00")]
    root = parse(draw("t", [("a", ["x", "y", "z"])], [Column("ratio", [values], 1.0)], "x"))
    (line,) = (float(line.attrib["x1"]) for line in root.findall(f"{SVG}line"))
    places = [float(text.attrib["x"]) for text in root.findall(f"{SVG}text[@class='value']")]
    rects = [rect for rect in root.findall(f"{SVG}rect") if "bar" in rect.attrib["class"]]
    ends = [float(rect.attrib["x"]) + float(rect.attrib["width"]) for rect in rects]
    assert places[0] == places[1] == line + 5
    assert places[2] == pytest.approx(ends[2] + 5, abs=1)


def test_the_plot_is_for_everybody() -> None:
    """Text as text, all values in words, for dark screens too, and nothing that runs or is fetched."""
    svg = write_plot(RUNS)
    root = parse(svg)
    description = root.findtext(f"{SVG}desc") or ""
    assert root.findtext(f"{SVG}title")
    assert "hello-cli, File, MB: hatch-appimage 12.3; " in description
    assert "hatch-appimage 1.23;" in description
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert {"hello-cli", "hatch-appimage", "12.3", "1.23", "failed", "not measured"} <= set(texts)
    assert "prefers-color-scheme: dark" in svg
    assert {element.tag for element in root.iter()} == {
        f"{SVG}{name}" for name in ("svg", "title", "desc", "style", "rect", "text", "line")
    }
    assert not re.search(r"href|url\(|@import", svg)


def test_text_is_escaped() -> None:
    svg = draw("a < b", [("c & d", ["<e>"])], [Column("f > g", [[Bar(1, "<1>")]])], "")
    assert [element.text for element in parse(svg).iter(f"{SVG}text")] == ["f > g", "c & d", "<e>", "<1>"]
