# SPDX-License-Identifier: MIT
"""Which libraries an image brings, and which it takes from the machine it runs on."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from hatch_appimage.architecture import ByArchitecture
from hatch_appimage.errors import AppImageError
from hatch_appimage.libraries.lock import LibraryLock
from hatch_appimage.option import BY_ARCHITECTURE, FLAG, TEXT, TEXTS, option
from hatch_appimage.roots.releases import RELEASE, Release, find_release

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hatch_appimage.table import Table

# The libraries that have to fit the user's machine: its kernel, graphics driver, sound server, font configuration; and
# those that even the smallest installations have. The names follow the exclude list that AppImage tools share
# (https://github.com/AppImageCommunity/pkg2appimage, file excludelist), with three differences: the loaders of all
# architectures and the drivers that the list leaves out are here; libexpat, libcom_err, libgpg-error and libusb are
# bundled, as minimal installations of Debian 12 and 13 lack some or all of them; libICE and libSM are with X11.
GROUPS = {
    "glibc": (
        "ld-linux.so.*",
        "ld-linux-*.so.*",
        "ld64.so.*",
        "libBrokenLocale.so.1",
        "libanl.so.1",
        "libc.so.6",
        "libcidn.so.1",
        "libdl.so.2",
        "libm.so.6",
        "libmvec.so.1",
        "libnss_compat.so.2",
        "libnss_dns.so.2",
        "libnss_files.so.2",
        "libnss_hesiod.so.2",
        "libnss_nis.so.2",
        "libnss_nisplus.so.2",
        "libpthread.so.0",
        "libresolv.so.2",
        "librt.so.1",
        "libthread_db.so.1",
        "libutil.so.1",
    ),
    # What is linked on Alpine names the second, all else the third, which no file for glibc needs. Some wheels carry
    # programs for musl beside those for glibc.
    "musl": ("ld-musl-*.so.1", "libc.musl-*.so.1", "libc.so"),
    # An older libstdc++ than the graphics driver wants would keep it from being loaded.
    "compiler": ("libgcc_s.so.1", "libstdc++.so.6"),
    "graphics": (
        "libEGL.so.1",
        "libGL.so.1",
        "libGLESv1_CM.so.1",
        "libGLESv2.so.2",
        "libGLX.so.0",
        "libGLdispatch.so.0",
        "libOpenGL.so.0",
        "libdrm.so.2",
        "libgbm.so.1",
        "libglapi.so.0",
        "libva-*.so.2",
        "libva.so.2",
        "libvdpau.so.1",
        "libvulkan.so.1",
    ),
    "display": (
        "libICE.so.6",
        "libSM.so.6",
        "libX11-xcb.so.1",
        "libX11.so.6",
        "libwayland-client.so.0",
        "libxcb-dri2.so.0",
        "libxcb-dri3.so.0",
        "libxcb.so.1",
    ),
    # libpipewire reads `client.conf` and opens modules of its own build at paths that are compiled in. Where these are
    # not there, it gives no context, and some callers crash: so does a machine's that comes without its configuration.
    "sound": ("libasound.so.2", "libjack.so.0", "libpipewire-0.3.so.0"),
    "fonts": ("libfontconfig.so.1", "libfreetype.so.6", "libfribidi.so.0", "libharfbuzz.so.0"),
    "base": ("libgmp.so.10", "libuuid.so.1", "libz.so.1"),
    # The driver's own. What the CUDA toolkit has beside it comes with wheels.
    "cuda": ("libcuda.so.1", "libcudadebugger.so.1", "libnvcuvid.so.1", "libnvidia-*.so*", "libnvoptix.so.1"),
    "opencl": ("libOpenCL.so.1",),
    # They speak to a server of the machine, with the settings that its distribution gives them.
    "services": (
        "libcups.so.2",
        "libcupsimage.so.2",
        "libpulse-mainloop-glib.so.0",
        "libpulse-simple.so.0",
        "libpulse.so.0",
    ),
    # They load drivers and plugins of their own build that the machine's administrator has set up (ODBC, Firebird,
    # Oracle, Mimer), or refuse a daemon of another version (PC/SC).
    "drivers": (
        "libclntsh.so.*",
        "libfbclient.so.*",
        "libmimerapi.so",
        "libodbc.so.*",
        "libodbcinst.so.*",
        "libpcsclite.so.1",
    ),
    # They go with the fabric's kernel modules and with the plugins of these very builds.
    "rdma": (
        "libefa.so.1",
        "libfabric.so.1",
        "libibumad.so.3",
        "libibverbs.so.1",
        "libmana.so.1",
        "libmlx4.so.1",
        "libmlx5.so.1",
        "libpsm2.so.2",
        "libpsm_infinipath.so.1",
        "librdmacm.so.1",
        "libucm.so.0",
        "libucp.so.0",
        "libucs.so.0",
        "libuct.so.0",
    ),
    # One MPI with its launcher: the cluster's.
    "mpi": (
        "libmpi.so.*",
        "libmpi_*.so.*",
        "libmpich.so.*",
        "libmpichcxx.so.*",
        "libmpichfort.so.*",
        "libmpicxx.so.*",
        "libmpifort.so.*",
        "libopen-pal.so.*",
        "libopen-rte.so.*",
        "liboshmem.so.*",
        "libpmi.so.*",
        "libpmi2.so.*",
        "libpmix.so.*",
        "libprrte.so.*",
    ),
}

# glibc is one whole with its loader: it is bundled as a whole, by the option `glibc`, or not at all.
NEVER_BUNDLED = ("glibc", "musl")

# What must fit the user's hardware or cluster is not taken from the build machine, wherever it is found there.
OF_THE_MACHINE = frozenset({"cuda", "drivers", "mpi", "opencl", "rdma"})

# Nobody expects what these are for on every machine: no start counts them as a need.
OPTIONAL = frozenset({"drivers", "services"})

# Libraries that go with one build of GLib: those of a newer system call functions that an older GLib has not, and end
# the process when they first do, as GLib's symbols have no versions.
_WITH_GLIB = (
    "libatk-1.0.so.0",
    "libatk-bridge-2.0.so.0",
    "libgdk-*.so.*",
    "libgdk_pixbuf-2.0.so.0",
    "libgio-2.0.so.0",
    "libglib-2.0.so.0",
    "libgmodule-2.0.so.0",
    "libgobject-2.0.so.0",
    "libgst*-1.0.so.0",
    "libgthread-2.0.so.0",
    "libgtk-*.so.*",
    "libpango*-1.0.so.0",
)


def _rules(rules: tuple[str, ...], _table: Table) -> tuple[str, ...]:
    for rule in rules:
        if rule.startswith("@") and rule[1:] not in GROUPS:
            raise ValueError(f"names the group `{rule}`; known are {', '.join(f'@{name}' for name in GROUPS)}")
        if "/" in rule:
            raise ValueError(f"must be an array of sonames, patterns such as `libfoo.so.*`, and groups: `{rule}`")
    return rules


def _included(rules: tuple[str, ...], table: Table) -> tuple[str, ...]:
    for rule in _rules(rules, table):
        if rule.removeprefix("@") in NEVER_BUNDLED or group_of(rule) in NEVER_BUNDLED:
            raise ValueError(
                f'asks for `{rule}`: a C library works only with its own loader; `glibc = "bundle"` brings both'
            )
    return rules


def _sysroots(texts: dict[str, str], table: Table) -> ByArchitecture[Path | Release]:
    roots = {name: _sysroot(text, table) for name, text in texts.items()}
    return ByArchitecture(roots.pop("", Path("/")), roots)


def _sysroot(text: str, table: Table) -> Path | Release:
    if not RELEASE.fullmatch(text) or table.path(text).exists():
        return table.directory(text)
    try:
        return find_release(text)
    except AppImageError as error:
        raise ValueError(f"names no release: {error}") from error


def _library_lock(value: str, table: Table) -> LibraryLock:
    is_fetched = any(
        isinstance(root, Release) or (root == Path("/") and table["fetch-libraries"]) for root in table["sysroot"].all
    )
    if not is_fetched:
        other = "a directory as `sysroot`" if table["fetch-libraries"] else "`fetch-libraries = false`"
        raise ValueError(f"has no effect beside {other}, as nothing is fetched: remove one of them")
    return LibraryLock.read(table.new_file(value))


def _snapshots(values: tuple[str, ...], table: Table) -> tuple[str, ...]:
    if values and "library-lock" not in table:
        raise ValueError("has no effect without `library-lock`, whose packages it is for")
    for value in values:
        if not value.startswith(("http://", "https://")):
            raise ValueError(f"must be an array of addresses that begin with `https://` or `http://`: `{value}`")
    return values


def _glibc(value: str, _table: Table) -> str:
    if value not in {"auto", "bundle", "host"}:
        raise ValueError(f'must be "auto", "bundle" or "host", not `{value}`')
    return value


def _glibc_version(value: str, _table: Table) -> tuple[int, ...]:
    if not re.fullmatch(r"2\.\d{1,3}", value):
        raise ValueError(f"must be a version of glibc, such as `2.28`, not `{value}`")
    return tuple(map(int, value.split(".")))


@dataclass(frozen=True)
class LibraryPolicy:
    """The options that say which shared libraries an image has."""

    libraries: tuple[str, ...] = option(
        TEXTS,
        'Shared libraries that the application opens at run time only, by soname (`"libsodium.so.23"`) or path.',
        default=(),
    )
    include_libraries: tuple[str, ...] = option(
        TEXTS,
        'Libraries to bundle although every desktop has them: sonames, patterns (`"libz.so.*"`) or groups '
        '(`"@fonts"`).',
        details=f"The groups are {', '.join(f'`@{name}`' for name in GROUPS)}; [shared libraries]"
        "(how-it-works.md#shared-libraries) has what is in them.",
        default=(),
        check=_included,
    )
    exclude_libraries: tuple[str, ...] = option(
        TEXTS,
        "Libraries not to bundle, by the same rules. It wins over `include-libraries`.",
        default=(),
        check=_rules,
    )
    ignore_missing: tuple[str, ...] = option(
        TEXTS,
        "Libraries that may be missing on the build machine, by the same rules. Any other missing library is an error "
        "if a start needs it, else a warning.",
        default=(),
        check=_rules,
    )
    fetch_libraries: bool = option(
        FLAG,
        "Get libraries, and what [GTK](how-it-works.md#gtk) consists of, from the archives of the build machine's "
        "distribution if it lacks them and has apt: without root, and without installing anything.",
        details="They are kept in the user's cache. See [missing libraries](how-it-works.md#missing-libraries).",
        default=True,
    )
    library_lock: LibraryLock | None = option(
        TEXT,
        "A file of the project that pins what libraries are fetched from, such as "
        '`"appimage.libraries.toml"`: packages with version and SHA-256.',
        details="If it is not there, or has nothing for the architecture, the build writes it; if it is, nothing else "
        "is fetched. It is never changed: remove it to have it made anew. The image's own "
        "`usr/share/<app-id>/libraries.toml` can be given here. See "
        "[the lock of libraries](how-it-works.md#the-lock-of-libraries).",
        check=_library_lock,
        is_path=True,
    )
    library_snapshots: tuple[str, ...] = option(
        TEXTS,
        "Addresses of archives for packages of `library-lock` that the archives of apt have no more.",
        details="They are asked in this order for what is not in the cache either, and the SHA-256 in the lock "
        "decides. The archive's directory `pool` lies below such an address. Debian keeps all former states of its "
        "archive, and those of the security updates apart from it.",
        default=(),
        check=_snapshots,
    )
    sysroot: ByArchitecture[Path | Release] = option(
        BY_ARCHITECTURE,
        "A release such as `debian:12`, or a directory with a copy of a system, whose libraries are bundled instead of "
        "this machine's.",
        details="A release can be older than this machine, or for another architecture. apt gets its packages from the "
        "archive of the distribution that the machine uses, as [missing libraries](how-it-works.md#missing-libraries), "
        "so on a Debian it is a release of Debian.",
        default=ByArchitecture(Path("/"), {}),
        shown='`"/"`',
        check=_sysroots,
        is_path=True,
    )
    glibc: str = option(
        TEXT,
        'Whether the image brings the C library for systems that lack it: `"auto"`, `"bundle"` or `"host"` (the '
        "target system's is always used).",
        details='`"auto"` bundles it if the image needs a newer one than the oldest distribution has that is still '
        "supported; see [the C library](how-it-works.md#the-c-library). It "
        "costs about 1.6 MB, and more if the image needs libstdc++. It means nothing to an image with a Python for "
        "musl, which always brings musl.",
        default="auto",
        check=_glibc,
    )
    max_glibc: tuple[int, ...] | None = option(
        TEXT,
        'The newest glibc that the image may need, such as `"2.28"`: wheels are chosen by it, and if a file needs a '
        "newer one, the build fails and says what to do about each.",
        check=_glibc_version,
    )

    def group(self, soname: str) -> str | None:
        """Return why a library is not bundled: the name of its group, or ``excluded``; None if it is bundled."""
        listed = group_of(soname)
        if listed in NEVER_BUNDLED:
            return listed
        if matches(soname, self.exclude_libraries):
            return "excluded"
        return None if matches(soname, self.include_libraries) else listed

    def for_musl(self) -> LibraryPolicy:
        """Return the policy of an image with its own musl: it loads no library of the target system."""
        groups = (f"@{name}" for name in GROUPS if name not in NEVER_BUNDLED)
        return replace(self, include_libraries=(*self.include_libraries, *groups))

    def including(self, rules: Iterable[str]) -> LibraryPolicy:
        """Return the policy with further libraries to bundle, unless the project excludes them."""
        return replace(self, include_libraries=(*self.include_libraries, *rules))

    def ignored(self, soname: str) -> bool:
        """Whether a library may be missing."""
        return matches(soname, self.ignore_missing)


@cache
def group_of(soname: str) -> str | None:
    """Return the group that a soname is in."""
    return next(
        (name for name, patterns in GROUPS.items() if any(fnmatchcase(soname, pattern) for pattern in patterns)), None
    )


def goes_with_glib(soname: str) -> bool:
    """Whether a library has to be of one build with the process's GLib."""
    return any(fnmatchcase(soname, pattern) for pattern in _WITH_GLIB)


def matches(soname: str, rules: Iterable[str]) -> bool:
    """Whether one of the rules means a library: its soname, a pattern of sonames, or ``@`` and its group."""
    group = group_of(soname)
    return any(rule[1:] == group if rule.startswith("@") else fnmatchcase(soname, rule) for rule in rules)
