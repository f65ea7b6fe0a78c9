# SPDX-License-Identifier: MIT
"""Which namespaces of GObject introspection a source names."""

from __future__ import annotations

import pytest

from hatch_appimage.sources.facts import Text, find_all, pack, unpack


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("import gi\ngi.require_version('Gtk', '4.0')", (("Gtk", "4.0"),)),
        ("from gi import require_version\nrequire_version('Gtk', version='4.0')", (("Gtk", "4.0"),)),
        ("gi.require_versions({'Gtk': '4.0', 'Adw': '1'})", (("Adw", "1"), ("Gtk", "4.0"))),
        ("def f():\n  from gi.repository import Gst, GLib", (("GLib", ""), ("Gst", ""))),
        ("import gi.repository.Gtk as gtk", (("Gtk", ""),)),
        ("import_module('gi.repository.Gtk')", (("Gtk", ""),)),
        ("gi.require_version(name, '4.0')", ()),
        ("gi.require_version(*pair)", ()),
        ("gi.require_versions(versions)", ()),
        ("gi.require_versions({**versions})", ()),
        ("gi.require_foreign('cairo')", ()),
        ("import gi", ()),
        ("# gi.require_version('Gtk', '4.0')", ()),
    ],
)
def test_named(text: str, named: tuple[tuple[str, str], ...]) -> None:
    (facts,) = find_all([Text(text.encode(), "", stdlib=False)])
    assert facts is not None
    assert facts.namespaces == named
    assert unpack(pack([facts])) == [facts]
