# SPDX-License-Identifier: MIT
"""Compile runtime and launcher for every architecture, from our C and Zstandard's decompressor, with Zig's compiler.

Zig comes from the package index as the wheel ``ziglang``, Zstandard's source inside the source distribution of
``backports.zstd``: building needs no compiler, no headers and no other download.  The same input gives the same bytes.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile

from hatch_appimage.errors import AppImageError
from hatch_appimage.runtime.getenv_settings import SONAME
from hatch_appimage.runtime.launcher_settings import MAX_LAUNCHER_SIZE

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCE = Path(__file__).parent
LAUNCHER_SOURCE = SOURCE / "launcher"
GETENV_SOURCE = SOURCE / "getenv"
ZSTD = "backports.zstd==1.8.0"
ZSTD_SHA256 = "9dae4f4c481716e3db473d667457b4f508ff7459c0931b567a5c9677fb3db316"


@dataclass(frozen=True)
class CompilerTarget:
    """How programs are compiled for an architecture.

    Attributes:
        triple: Zig's name of it.
        flags: options of the compiler; the oldest processor is among them.
        sources: of ours, which every program for this architecture has.

    """

    triple: str
    flags: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


#: By AppImage's name of the architecture. armhf is ARMv7 with the 16 registers of VFPv3, as Debian has it, since not
#: every such processor has NEON.
TARGETS = {
    "x86_64": CompilerTarget("x86_64-linux-musl", ("-mcpu=x86_64",)),
    "aarch64": CompilerTarget("aarch64-linux-musl"),
    "armhf": CompilerTarget(
        "arm-linux-musleabihf", ("-mcpu=generic+v7a-neon-d32-vfp3+vfp3d16", "-Wl,-e,check_armv7"), ("armv7.S",)
    ),
    "i686": CompilerTarget("x86-linux-musl", ("-mcpu=i686",)),
}

#: Where the launcher lies: it may have to load a program, and those that cannot be moved lie far below.
LAUNCHER_BASE = 0x6000_0000

MAX_SIZE = 200_000
MAGIC_OFFSET, MAGIC = 8, b"AI\x02"
#: The sections that tools look for, in the order in which they stand, and their sizes.
SECTIONS = {".digest_md5": 16, ".upd_info": 1024, ".sha256_sig": 1024, ".sig_key": 8192, ".startup": 32}

#: -Os gave the fastest decompressor of all levels, with one Huffman and one sequence decoder of two each; measured.
#: So was -fstack-protector-strong, with Zig 0.17.1 on x86-64: a mounted start takes as long (1.00 of the time, 60
#: pairs), but unpacking takes 1.06 of the time (1.05 of the processor's, 80 pairs), as Zstandard's functions have large
#: arrays; runtimes grow by 3,000 to 7,400 bytes. It stays off: an unpacked start would be slower, and what reads an
#: image is fuzzed and tested with sanitizers.
FLAGS = (
    "-std=gnu11",
    "-Os",
    "-flto",
    "-static",
    "-no-pie",
    "-fno-pie",
    "-fno-sanitize=all",
    "-fno-stack-protector",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
    "-ffunction-sections",
    "-fdata-sections",
    "-Wl,--gc-sections",
    "-Wl,--strip-all",
    "-Wl,--build-id=none",
    "-D_GNU_SOURCE",
    "-D_FILE_OFFSET_BITS=64",
    "-DNDEBUG",
)
#: For a library that takes from the process what it needs of any C library.
LIBRARY_FLAGS = (
    "-std=gnu11",
    "-Os",
    "-shared",
    "-fPIC",
    "-nostdlib",
    "-fvisibility=hidden",
    "-fno-sanitize=all",
    "-fno-stack-protector",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
    "-Wl,--strip-all",
    "-Wl,--build-id=none",
    "-Wl,-z,undefs",
    "-D_GNU_SOURCE",
    "-DNDEBUG",
)
#: Our own sources compile without any of these.
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Werror")
#: Zstandard's do not: https://clang.llvm.org/docs/WarningSuppressionMappings.html.
ZSTD_WARNINGS = "".join(f"[{group}]\nsrc:*/zstd/lib/*\n" for group in ("all", "extra", "conversion"))

ZSTD_FLAGS = (
    "-DZSTD_STRIP_ERROR_STRINGS=1",
    "-DZSTD_LEGACY_SUPPORT=0",
    "-DZSTD_TRACE=0",
    "-DHUF_FORCE_DECOMPRESS_X1",
    "-DZSTD_FORCE_DECOMPRESS_SEQUENCES_SHORT",
)

ZSTD_SOURCES = (
    "common/debug.c",
    "common/entropy_common.c",
    "common/error_private.c",
    "common/fse_decompress.c",
    "common/xxhash.c",
    "common/zstd_common.c",
    "decompress/huf_decompress.c",
    "decompress/zstd_ddict.c",
    "decompress/zstd_decompress.c",
    "decompress/zstd_decompress_block.c",
)
ZSTD_X86_64_SOURCES = ("decompress/huf_decompress_amd64.S",)


def compile_runtimes(architectures: Sequence[str], directory: Path, version: str) -> None:
    """Compile the runtime for each architecture into ``directory``, with the licences of what is inside."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="hatch-appimage-") as temporary:
        fetch_zstd(Path(temporary))
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            jobs = [
                pool.submit(
                    compile_runtime, architecture, directory / f"runtime-{architecture}", Path(temporary), version
                )
                for architecture in architectures
            ]
            for job in jobs:
                job.result()
        _copy_licenses(Path(temporary), directory / "licenses")


def _run(command: Sequence[str], *, what: str, env: dict[str, str] | None = None) -> None:
    result = subprocess.run(
        command, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env
    )
    if result.returncode:
        raise AppImageError(f"{what} failed:\n{result.stdout.decode(errors='replace').strip()}")


def fetch_zstd(directory: Path) -> None:
    """Fetch Zstandard's source through pip, from the index that the user configured."""
    requirements = directory / "requirements.txt"
    requirements.write_text(f"{ZSTD} --hash=sha256:{ZSTD_SHA256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-build-isolation"]
    command += ["--no-binary=:all:", "--require-hashes", "--ignore-requires-python"]
    command += ["--requirement", str(requirements), "--dest", str(directory)]
    _run(command, what=f"Fetching {ZSTD} from the package index", env=_index_environment())
    (archive,) = directory.glob("backports*.tar.gz")
    # pip has checked it; but this is what keeps foreign code out, so it does not hang on pip's options alone.
    if hashlib.sha256(archive.read_bytes()).hexdigest() != ZSTD_SHA256:
        raise AppImageError(f"{archive.name} is not the file that was pinned: its SHA-256 differs")
    with tarfile.open(archive) as tar:
        for member in tar:
            _extract_source(tar, member, directory)


def _index_environment() -> dict[str, str]:
    """Return pip's environment: what is configured for uv alone holds for pip, too."""
    environment = dict(os.environ)
    for uv, pip in (("UV_DEFAULT_INDEX", "PIP_INDEX_URL"), ("UV_INDEX_URL", "PIP_INDEX_URL")):
        if uv in environment:
            environment.setdefault(pip, environment[uv])
    return environment


def _extract_source(tar: tarfile.TarFile, member: tarfile.TarInfo, directory: Path) -> None:
    """Extract a file of Zstandard's; the top directory is left out."""
    name = re.fullmatch(r"[^/]+/src/c/(zstd/(?:LICENSE|lib/(?:[a-z]+/)?\w+\.[chS]))", member.name)
    content = tar.extractfile(member) if name and member.isfile() else None
    if name and content:
        path = directory / name[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.read())


def compiler_command(architecture: str, output: Path, arguments: Sequence[str | Path]) -> list[str]:
    """Return the command that compiles a static program for an architecture.

    Args:
        architecture: AppImage's name of it.
        output: the program.
        arguments: its sources, and more options.

    """
    target = TARGETS[architecture]
    command = [sys.executable, "-m", "ziglang", "cc", "-target", target.triple, *target.flags, *FLAGS, *WARNINGS]
    return [*command, *map(str, [*(SOURCE / name for name in target.sources), *arguments]), "-o", str(output)]


def compile_runtime(
    architecture: str, output: Path, directory: Path, version: str, more: Sequence[str | Path] = ()
) -> None:
    """Compile the runtime for one architecture.

    Args:
        architecture: AppImage's name of it.
        output: the file to write.
        directory: where :func:`fetch_zstd` has put its source.
        version: what the runtime says of itself.
        more: sources and options, for tests that replace a part of it.

    Raises:
        AppImageError: the compiler failed, or what it made is no AppImage runtime.

    """
    library = directory / "zstd/lib"
    suppressed = directory / f"warnings-{architecture}"
    suppressed.write_text(ZSTD_WARNINGS)
    names = ZSTD_SOURCES + (ZSTD_X86_64_SOURCES if architecture == "x86_64" else ())
    sources = [*sorted(SOURCE.glob("*.c")), SOURCE / "sections.S", *(library / name for name in names)]
    linked = directory / f"runtime-{architecture}"
    options = [*ZSTD_FLAGS, f'-DVERSION="{version}"', f"-I{library}", f"--warning-suppression-mappings={suppressed}"]
    command = compiler_command(architecture, linked, [*options, *sources, *more])
    _run(command, what=f"Compiling the runtime for {architecture}")
    content = bytearray(linked.read_bytes())
    _check_runtime(linked, architecture)
    content[MAGIC_OFFSET : MAGIC_OFFSET + len(MAGIC)] = MAGIC
    linked.write_bytes(content)
    _put(linked, output)


def compile_launchers(architectures: Sequence[str], directory: Path) -> None:
    """Compile the launcher for each architecture into ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(compile_launcher, name, directory / f"launcher-{name}") for name in architectures]
        for job in jobs:
            job.result()


def compile_launcher(architecture: str, output: Path) -> None:
    """Compile the launcher for one architecture.

    Args:
        architecture: AppImage's name of it.
        output: the file to write.

    Raises:
        AppImageError: the compiler failed, or what it made is no static program, or too large.

    """
    with tempfile.TemporaryDirectory(prefix="hatch-appimage-") as temporary:
        linked = Path(temporary, "launcher")
        base = f"-Wl,--image-base={LAUNCHER_BASE:#x}"
        command = compiler_command(architecture, linked, [base, *sorted(LAUNCHER_SOURCE.glob("*.c"))])
        _run(command, what=f"Compiling the launcher for {architecture}")
        _check_program(linked, f"launcher for {architecture}", MAX_LAUNCHER_SIZE)
        _put(linked, output)


def compile_getenvs(architectures: Sequence[str], directory: Path) -> None:
    """Compile the library with toolkits' getenv() for each architecture into ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    for architecture in architectures:
        compile_getenv(architecture, directory / f"getenv-{architecture}")


def compile_getenv(architecture: str, output: Path) -> None:
    """Compile the library with toolkits' getenv() for one architecture.

    Args:
        architecture: AppImage's name of it.
        output: the file to write.

    Raises:
        AppImageError: the compiler failed, or the library needs others.

    """
    target = TARGETS[architecture]
    with tempfile.TemporaryDirectory(prefix="hatch-appimage-") as temporary:
        linked = Path(temporary, "getenv.so")
        flags = [flag for flag in target.flags if not flag.startswith("-Wl,")]
        command = [sys.executable, "-m", "ziglang", "cc", "-target", target.triple, *flags, *LIBRARY_FLAGS, *WARNINGS]
        sources = map(str, sorted(GETENV_SOURCE.glob("*.c")))
        command += [f"-Wl,-soname,{SONAME}", *sources, "-o", str(linked)]
        _run(command, what=f"Compiling getenv() for {architecture}")
        program = f"getenv() for {architecture}"
        tags = _read_tags(linked)
        _demand(program, tags.get("DT_SONAME") == SONAME, f"its name is not {SONAME}")
        _demand(program, "DT_NEEDED" not in tags, "it needs other libraries")
        _put(linked, output)


def _read_tags(library: Path) -> dict[str, str]:
    """Return the entries of a library's dynamic section; those that are names, with these."""
    with library.open("rb") as file:
        segments = [segment for segment in ELFFile(file).iter_segments() if isinstance(segment, DynamicSegment)]
        tags = [tag for segment in segments for tag in segment.iter_tags()]
        return {tag.entry.d_tag: getattr(tag, "soname", getattr(tag, "needed", "")) for tag in tags}


def _put(program: Path, output: Path) -> None:
    """Replace the output as a whole: another process may read or run the one that is there."""
    with tempfile.NamedTemporaryFile(dir=output.parent, prefix=f".{output.name}-", delete=False) as beside:
        beside.write(program.read_bytes())
    Path(beside.name).chmod(0o755)
    Path(beside.name).replace(output)


def _demand(program: str, condition: object, what: str) -> None:
    if not condition:
        raise AppImageError(f"The {program} is unusable: {what}")


def _check_program(path: Path, program: str, max_size: int) -> ELFFile:
    """Hold a file against what both programs are: static, of one architecture's kind, and small."""
    content = path.read_bytes()
    try:
        elf = ELFFile(io.BytesIO(content))
        segments = list(elf.iter_segments())
    except ELFError as error:
        raise AppImageError(f"The {program} is unusable: {error}") from error
    entry = elf.header["e_entry"]
    static = elf.header["e_type"] == "ET_EXEC" and not any(
        segment["p_type"] in {"PT_INTERP", "PT_DYNAMIC"} for segment in segments
    )
    begins = any(
        segment["p_type"] == "PT_LOAD" and 0 <= entry - segment["p_vaddr"] < segment["p_filesz"] for segment in segments
    )
    _demand(program, static, "it is not a static executable")
    _demand(program, begins, "its entry point is not in it")
    _demand(program, len(content) <= max_size, f"it has {len(content)} bytes, more than {max_size}")
    return elf


def _check_runtime(path: Path, architecture: str) -> None:
    """Hold the file against what other tools expect of a runtime."""
    program = f"runtime for {architecture}"
    demand = partial(_demand, program)
    elf = _check_program(path, program, MAX_SIZE)
    content = path.read_bytes()
    header = elf.header
    sections = {section.name: section for section in elf.iter_sections()}
    demand(header["e_ident"]["EI_OSABI"] == "ELFOSABI_SYSV", "its EI_OSABI is not 0")
    end = header["e_shoff"] + header["e_shentsize"] * header["e_shnum"]
    demand(end == len(content), "the section header table is not the last thing in it")
    demand(b"appimage-extract" in content, "the text appimage-extract is not in it")
    end = None
    for name, size in SECTIONS.items():
        demand(name in sections, f"it has no section {name}")
        section = sections[name]
        offset = int(section["sh_offset"])
        right = section["sh_type"] == "SHT_PROGBITS" and section["sh_size"] == size
        demand(right, f"its section {name} has the wrong type or size")
        demand(end in {None, offset}, f"its section {name} does not follow the one before it")
        end = offset + size


def _copy_licenses(sources: Path, directory: Path) -> None:
    spec = importlib.util.find_spec("ziglang")
    if spec is None or spec.origin is None:
        raise AppImageError("The package ziglang is missing")
    zig = Path(spec.origin).parent
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(sources / "zstd/LICENSE", directory / "zstd.txt")
    shutil.copyfile(zig / "lib/libc/musl/COPYRIGHT", directory / "musl.txt")
    shutil.copyfile(zig / "LICENSE", directory / "zig-compiler-rt.txt")
