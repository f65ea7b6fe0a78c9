import sys

import gi

gi.require_versions({"Gtk": "4.0", "Adw": "1"})
from gi.repository import Adw, GLib, Gtk  # noqa: E402

WIDTH, HEIGHT = 400, 400


class Window(Adw.ApplicationWindow):
    """A label, symbols, a switch and a disc that cairo draws."""

    def __init__(self, application: Adw.Application) -> None:
        super().__init__(application=application, title="GTK 4", default_width=WIDTH, default_height=HEIGHT)
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=12)
        box.append(Adw.HeaderBar())
        box.append(Gtk.Label(label="Hello from GTK 4"))
        symbols = Gtk.Box(spacing=12, halign=Gtk.Align.CENTER)
        for name in ("document-open-symbolic", "edit-find-symbolic", "dialog-information-symbolic"):
            symbols.append(Gtk.Image(icon_name=name, pixel_size=32))
        box.append(symbols)
        row = Adw.ActionRow(title="A row", subtitle="of libadwaita")
        row.add_suffix(Gtk.Switch(valign=Gtk.Align.CENTER, active=True))
        box.append(row)
        drawing = Gtk.DrawingArea(content_height=80)
        drawing.set_draw_func(draw)
        box.append(drawing)
        self.set_content(box)


def draw(_area, context, width: int, _height: int) -> None:
    context.arc(width / 2, 40, 35, 0, 6.2832)
    context.set_source_rgb(0.2, 0.5, 0.9)
    context.fill()


def main() -> int:
    application = Adw.Application(application_id="org.example.gtk4_window")
    application.connect("activate", lambda self: Window(self).present())
    seconds = next((int(argument) for argument in sys.argv[1:] if argument.isdigit()), 0)
    if seconds:  # for tests
        GLib.timeout_add_seconds(seconds, application.quit)
    return application.run([])
