import sys

import gi

gi.require_version("Gtk", "3.0")
from gi.repository import GLib, Gtk  # noqa: E402

WIDTH, HEIGHT = 400, 300


class Window(Gtk.ApplicationWindow):
    """A label, symbols, an entry and a disc that cairo draws."""

    def __init__(self, application: Gtk.Application) -> None:
        super().__init__(application=application, title="GTK 3", default_width=WIDTH, default_height=HEIGHT)
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=12, margin=24)
        box.add(Gtk.Label(label="Hello from GTK 3"))
        symbols = Gtk.Box(spacing=12, halign=Gtk.Align.CENTER)
        for name in ("document-open-symbolic", "edit-find-symbolic", "dialog-information-symbolic"):
            symbols.add(Gtk.Image.new_from_icon_name(name, Gtk.IconSize.DND))
        box.add(symbols)
        box.add(Gtk.Entry(placeholder_text="Type something"))
        box.add(Gtk.FileChooserButton(title="A file"))
        drawing = Gtk.DrawingArea(height_request=80)
        drawing.connect("draw", draw)
        box.add(drawing)
        self.add(box)


def draw(area, context) -> None:
    context.arc(area.get_allocated_width() / 2, 40, 35, 0, 6.2832)
    context.set_source_rgb(0.2, 0.5, 0.9)
    context.fill()


def main() -> int:
    application = Gtk.Application(application_id="org.example.gtk3_window")
    application.connect("activate", lambda self: Window(self).show_all())
    seconds = next((int(argument) for argument in sys.argv[1:] if argument.isdigit()), 0)
    if seconds:  # for tests
        GLib.timeout_add_seconds(seconds, application.quit)
    return application.run([])
