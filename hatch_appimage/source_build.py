# SPDX-License-Identifier: MIT
"""Wheels that uv builds from source: with which build tools, and without this machine's directories in them."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from hatch_appimage.process import ProcessError
from hatch_appimage.uv import run_uv_traced

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# What uv writes with RUST_LOG when it makes the environment of a build (crates/uv-dispatch/src/lib.rs, `install`).
_CRATE: Final = "uv_dispatch"
_INSTALLED: Final = re.compile(r"^DEBUG Installing build requirements?: (.+)$", re.MULTILINE)

# What build back ends, compilers and linkers say where one of them is missing, or what a library is compiled with:
# Meson, setuptools, CMake, GCC and Clang, ld.
_NOTHING_TO_COMPILE_WITH: Final = re.compile(
    r"Unknown compiler|[Dd]ependency (?:\S+ )?not found|Did not find pkg-config|command '\S+' failed: No such file"
    r"|No CMAKE_\w+_COMPILER could be found|fatal error: '?\S+\.h(?:pp)?'?:? (?:No such file|file not found)"
    r"|cannot find -l"
)
_BUILD_PACKAGES: Final = (
    "A compiler or headers are missing on this machine: install them, or have apt fetch the packages with them for the "
    'build alone: build-packages = ["gcc", "libc6-dev", "pkg-config", "python3-dev"], and the -dev packages of the '
    "libraries that it uses"
)

# What a project's own directory is called in what compilers write of it.
_ROOT: Final = "."
# What Rust's registry is called: panics name files of crates by it.
_CARGO: Final = "/cargo"


def build_from_source(
    arguments: Sequence[str | Path],
    *,
    doing: str,
    cwd: Path,
    constraints: Path | None,
    environment: Mapping[str, str],
) -> tuple[str, ...]:
    """Have uv build something, and return the build tools that it used, as sorted requirements (``name==version``).

    Args:
        arguments: uv's subcommand and options.
        doing: what it is for, as it stands in the error.
        cwd: the directory whose uv settings count.
        constraints: a file of constraints for build tools, with or without hashes; None for none.
        environment: what the build sees, as `source_environment` returns it.

    Raises:
        ProcessError: uv fails; the message has what it said.

    """
    command = [*arguments, *constrain_tools(constraints)]
    with naming_build_packages():
        return find_tools(run_uv_traced(command, doing=doing, cwd=cwd, trace=_CRATE, env=environment))


@contextmanager
def naming_build_packages() -> Iterator[None]:
    """Name the option `build-packages` where a build fails for want of a compiler or headers.

    Raises:
        ProcessError: the one of the block, with the option in its message.

    """
    try:
        yield
    except ProcessError as error:
        if _NOTHING_TO_COMPILE_WITH.search(error.output):
            raise error.with_advice(_BUILD_PACKAGES) from error
        raise


def constrain_tools(constraints: Path | None) -> tuple[str | Path, ...]:
    """Return the options of uv by which a file constrains build tools."""
    return ("--build-constraints", constraints) if constraints else ()


def find_tools(log: str) -> tuple[str, ...]:
    """Return the build tools that uv installed according to its log, as sorted requirements."""
    found = set()
    for line in _INSTALLED.findall(log):
        for text in line.split(", "):
            try:
                requirement = Requirement(text)
            except InvalidRequirement:  # an address with a comma in it
                continue
            found.add(f"{canonicalize_name(requirement.name)}{requirement.specifier or ' @ an address'}")
    return tuple(sorted(found))


def source_environment(root: Path | None, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment in which compilers write no directory of this machine into what they make.

    It is known only for a project's own directory where that is: uv unpacks sdists to a directory with a random name.
    There debug information goes, which is what has most of the names. The build ID of a library is the digest of all
    that the linker saw, debug information among it, and nobody needs it.

    Args:
        root: the directory that is built; None for what uv unpacks.
        base: the environment to begin with; this process's when None.

    """
    environment = dict(os.environ if base is None else base)
    cargo = Path(environment.get("CARGO_HOME") or "~/.cargo").expanduser()
    # GCC since 8 and Clang since 10 (https://reproducible-builds.org/docs/build-path/)
    compiler = f"-ffile-prefix-map={_quoted(root)}={_ROOT}" if root else "-g0"
    # Not CFLAGS: these would take the place of a project's own, or of the level of optimization that it has by default.
    _append(environment, "CPPFLAGS", compiler)
    _append(environment, "LDFLAGS", "-Wl,--build-id=none")
    # Unlike RUSTFLAGS it adds to what the project's own settings have.
    maps = [f"--remap-path-prefix={cargo}={_CARGO}", *([f"--remap-path-prefix={root}={_ROOT}"] if root else [])]
    _append(environment, "CARGO_BUILD_RUSTFLAGS", " ".join(flag for flag in maps if " " not in flag))
    _append(environment, "GOFLAGS", "-trimpath")
    return environment


def _quoted(root: Path) -> str:
    """Return a path for a variable that is split as a shell does."""
    return re.sub(r"([^\w@%+:,./~-])", r"\\\1", str(root))


def _append(environment: dict[str, str], name: str, value: str) -> None:
    environment[name] = f"{environment.get(name, '')} {value}".strip()
