# SPDX-License-Identifier: MIT
"""Where in an image PyGObject, GLib and GTK find what was collected, and the variables that lead them there."""

from __future__ import annotations

from typing import Final

#: Below the directory of bundled libraries.
TYPELIBS: Final = "girepository-1.0"
GIO_MODULES: Final = "gio/modules"
LOADERS: Final = "gdk-pixbuf-2.0/loaders.cache"
GST_PLUGINS: Final = "gstreamer-1.0"
IM_MODULES: Final = "gtk-3.0/3.0.0/immodules.cache"
#: Below the directory `share` beside it, and that of a machine.
SCHEMAS: Final = "glib-2.0/schemas"
ICON_THEME: Final = "icons/Adwaita"
MIME: Final = "mime"
LOCALES: Final = "locale"
#: Below the directories of a machine's libraries: gdk-pixbuf's binary version is 2.10.0 in all of its releases since
#: 2010.
PIXBUF: Final = "gdk-pixbuf-2.0/2.10.0"

#: Variables whose values are paths relative to the directory of bundled libraries, where these exist. GTK looks for
#: modules and input methods in `lib` below its prefix.
PATHS: Final = {
    "GDK_PIXBUF_MODULE_FILE": LOADERS,
    "GIO_MODULE_DIR": GIO_MODULES,
    "GI_TYPELIB_PATH": TYPELIBS,
    "GSETTINGS_SCHEMA_DIR": f"../share/{SCHEMAS}",
    "GST_PLUGIN_SYSTEM_PATH_1_0": GST_PLUGINS,
    "GTK_EXE_PREFIX": "..",
}
#: Variables with values of their own, where there are plugins of GStreamer. Their registry has full paths, which change
#: at each start, and would lie where the machine's GStreamer has its own. GStreamer changes the mode of the directory
#: of a registry that it cannot write: there, not even root can do either. What looks at plugins in a process of its
#: own would be the machine's program.
GST_VALUES: Final = {"GST_REGISTRY_1_0": "/proc/self/fd/none", "GST_REGISTRY_FORK": "no"}
#: Variables that are lists of directories: such a path, which comes first, and those that are meant where the user has
#: set none (XDG Base Directory Specification).
LISTS: Final = {"XDG_DATA_DIRS": ("../share", "/usr/local/share:/usr/share")}
