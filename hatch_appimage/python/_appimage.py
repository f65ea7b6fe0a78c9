# SPDX-License-Identifier: MIT
"""Part of every image: where its Python looks for what lies elsewhere on each distribution.

The standard library's modules call this at their end. It changes no environment variable for longer than one call of a
C library takes, so programs that the application starts see the user's environment.
"""

# This runs on every Python that can be bundled, from 3.8 on, and at every start that needs it: it imports little.

from __future__ import annotations

import os
import re
import sys
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType
    from typing import Any

# The certificates that a machine's administrator trusts, as one file, by distribution.
CERTIFICATES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine, Arch, Gentoo, NixOS
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora, RHEL, and all that derive from them
    "/etc/pki/tls/certs/ca-bundle.crt",  # the same, before 2013
    "/var/lib/ca-certificates/ca-bundle.pem",  # openSUSE, SLES
    "/etc/ssl/ca-bundle.pem",  # the same, before 2016
    "/etc/ca-certificates/extracted/tls-ca-bundle.pem",  # Arch
    "/etc/ssl/cert.pem",  # Alpine, OpenWrt
)
# Where descriptions of terminals are, by distribution: the user's terminal may be newer than what the image brings.
TERMINFO = ("/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo", "/usr/lib/terminfo", "/usr/share/lib/terminfo")


def certificates(openssl: Any) -> str | None:
    """Return a file with certificates to trust; None where OpenSSL finds some by itself.

    Args:
        openssl: the module ``_ssl``. What it answers is where OpenSSL looks: on the machine that it was built for.

    """
    file_variable, file, directory_variable, directory = openssl.get_default_verify_paths()
    if file_variable in os.environ or directory_variable in os.environ:
        return None
    if os.path.isfile(file) or has_certificates(directory):
        return None
    for path in CERTIFICATES:
        if os.access(path, os.R_OK):
            return path
    try:
        import certifi
    except ImportError:
        return None
    return str(certifi.where())


def has_certificates(directory: str) -> bool:
    """Whether a directory has certificates by the names that OpenSSL looks for: a hash and a number."""
    try:
        with os.scandir(directory) as entries:
            return any(re.fullmatch(r"[0-9a-f]{8}\.\d+", entry.name) for entry in entries)
    except OSError:
        return False


def patch_ssl(ssl: Any) -> None:
    """Have contexts trust what this machine trusts."""
    set_paths = ssl.SSLContext.set_default_verify_paths
    get_paths = ssl.get_default_verify_paths

    def set_default_verify_paths(self: Any) -> None:
        """Load certificates from the default location of this machine."""
        set_paths(self)
        file = certificates(ssl._ssl)
        if file:
            self.load_verify_locations(cafile=file)

    def get_default_verify_paths() -> Any:
        """Return paths to default cafile and capath."""
        file = certificates(ssl._ssl)
        return get_paths()._replace(cafile=file) if file else get_paths()

    ssl.SSLContext.set_default_verify_paths = set_default_verify_paths
    ssl.get_default_verify_paths = get_default_verify_paths


@contextmanager
def terminfo() -> Iterator[None]:
    """Let ncurses find this machine's terminals first, then those that the image brings."""
    ours = os.path.join(sys.base_prefix, "share", "terminfo")
    if "TERMINFO_DIRS" in os.environ or not os.path.isdir(ours):
        yield
        return
    # Not through os.environ: only what C code sees changes, and only here.
    os.putenv("TERMINFO_DIRS", ":".join((*TERMINFO, ours)))
    try:
        yield
    finally:
        os.unsetenv("TERMINFO_DIRS")


def patch_curses(curses: Any) -> None:
    """Have the functions that read descriptions of terminals find them."""
    curses.setupterm = terminfo()(curses.setupterm)
    curses.initscr = terminfo()(curses.initscr)


def patch_locale(locale: Any) -> None:
    """Have C.UTF-8 work on machines without locales for the image's C library, as it does on all others."""
    find_and_set = locale._setlocale

    def setlocale(category: int, name: str | None = None) -> Any:
        """Set the locale; where the machine has none for this C library, the image's."""
        try:
            return find_and_set(category, name)
        except locale.Error:
            if "LOCPATH" in os.environ or os.path.isdir("/usr/lib/locale"):
                raise
        # Not through os.environ, as with terminals.
        os.putenv("LOCPATH", os.path.join(sys.base_prefix, "lib", "glibc", "locale"))
        try:
            return find_and_set(category, name)
        except locale.Error:
            # The user's own choice, which musl takes for C.UTF-8, too.
            if name:
                raise
            return find_and_set(category, "C.UTF-8")
        finally:
            os.unsetenv("LOCPATH")

    locale._setlocale = setlocale


def load_readline() -> ModuleType:
    """Return the extension module ``readline``, which reads the description of the terminal when it is loaded."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    spec = PathFinder.find_spec("readline", [path for path in sys.path if path.endswith("lib-dynload")])
    if spec is None:
        raise ModuleNotFoundError("No module named 'readline'", name="readline")
    with terminfo():
        module = module_from_spec(spec)
        spec.loader.exec_module(module)  # type: ignore[union-attr] # a found extension module has one
    return module


def patch_ctypes(util: Any) -> None:
    """Have find_library() find the image's libraries before this machine's."""
    find_machine_library = util.find_library

    def find_library(name: str) -> Any:
        """Return what names a library to CDLL(): a path in the image, or a name on this machine; else None."""
        return bundled_library(name) or find_machine_library(name)

    util.find_library = find_library


def bundled_library(name: str) -> str | None:
    """Return the path of a library of the image by its name without ``lib`` and version; None if there is none."""
    directory = os.path.join(sys.base_prefix, "lib")
    pattern = re.compile(rf"lib{re.escape(name)}\.so(\.\d+)*")
    found = [file for file in os.listdir(directory) if pattern.fullmatch(file)]
    return os.path.join(directory, min(found, key=lambda file: (len(file), file))) if found else None


def refuse_left_out(name: str, group: str) -> None:
    """Say of a module that is imported why the image lacks it; what only looks for it (``find_spec()``) finds none.

    The package ``encodings`` ends with a finder that calls this, in `sys.meta_path` behind all others.

    Args:
        name: the module's, or that of its outermost package that was left out.
        group: of the option ``trim``; or the option that decided it; or "", where every image comes without.

    Raises:
        ModuleNotFoundError: the caller of the caller of the finder imports it.
        ImportError: it does so by ``from package import module``, which passes over the other kind of error.

    """
    # This function, the finder, importlib's function that asks all finders, and who called that.
    if not sys._getframe(3).f_code.co_name.startswith("_find_and_load"):
        return
    is_stdlib = group in {"", "stdlib"} or name.partition(".")[0] in getattr(sys, "stdlib_module_names", ())
    place = "lib*/python3*/" * is_stdlib + name.replace(".", "/")
    keep = f'`keep-files = ["{place}*"]` keeps it'
    reason = {
        "": f"as no code in it names it; {keep}",
        "exclude-files": f"by `exclude-files`; {keep}",
        "installers": f"by `trim`: nothing in it was seen to use this; {keep}",
        "qt": f"by `trim`: nothing in it was seen to use this; {keep}",
        "stdlib": f"by `trim`: nothing in it was seen to use this; {keep}",
        "tkinter": "by `tkinter`: the application was not seen to use it; `tkinter = true` keeps it",
    }.get(group, f"by `trim`: it is one of the {group} of packages; {keep}")
    package, _, last = name.rpartition(".")
    if package and _is_from_import(sys._getframe(3)):
        raise ImportError(f"cannot import name {last!r} from {package!r}: left out of the image {reason}", name=package)
    raise ModuleNotFoundError(f"No module named {name!r}: left out of the image {reason}", name=name)


def _is_from_import(frame: Any) -> bool:
    """Whether a frame of importlib looks for what is to be imported from a package, as if it were an attribute."""
    while frame and frame.f_code.co_name.startswith(("_find_and_load", "_call_with_frames_removed")):
        frame = frame.f_back
    return frame is not None and frame.f_code.co_name == "_handle_fromlist"


def patch_metadata(metadata: Any) -> None:
    """Have packages_distributions() know modules by their bytecode, too; Python 3.11 looks for sources only.

    Args:
        metadata: the module ``importlib.metadata``.

    """
    infer = metadata._top_level_inferred

    class Sources:
        """A distribution whose files have the names that they would have if their sources were there."""

        def __init__(self, distribution: Any) -> None:
            files = distribution.files or ()
            self.files = [file.with_suffix(".py") if file.suffix == ".pyc" else file for file in files]

    metadata._top_level_inferred = lambda distribution: infer(Sources(distribution))


def enter_virtual_environment() -> None:
    """Be the interpreter of the virtual environment whose link to the image was started.

    That link stands for the interpreter: where the image is mounted changes with every start. Outside of an
    environment it is what other tools, such as uv, make environments from.
    """
    link = _called_link()
    if link is None or _answers_virtualenv():
        return
    directory = os.path.dirname(link)
    if any(os.path.isfile(os.path.join(place, "pyvenv.cfg")) for place in (directory, os.path.dirname(directory))):
        sys.executable = link
        if sys.version_info >= (3, 14):  # until then it is site.py that does this
            sys.prefix = sys.exec_prefix = os.path.dirname(directory)
    elif os.path.realpath(link) == os.environ.get("APPIMAGE"):
        sys._base_executable = link  # type: ignore[attr-defined] # what venv and uv read


def _called_link() -> str | None:
    """Return the absolute path of the link that this interpreter was started by; None if it was started otherwise."""
    link = sys._xoptions.get("appimage")
    if not isinstance(link, str):
        return None
    try:
        return os.path.abspath(link if "/" in link else _find_program(link))
    except OSError:  # the working directory has been removed
        return None


def _find_program(name: str) -> str:
    """Return where on PATH a program is; a name as good as any other if it is nowhere."""
    for directory in os.environ.get("PATH", os.defpath).split(":"):
        path = os.path.join(directory, name)
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    return name


def running_image() -> str | None:
    """Return the path of the image that this Python runs from; None for an unpacked one."""
    image, directory = os.environ.get("APPIMAGE"), os.environ.get("APPDIR")
    try:
        # Another AppImage may have started this Python.
        if (
            image
            and directory
            and os.path.samefile(directory, os.path.dirname(sys.base_prefix))
            and os.path.isfile(image)
        ):
            return image
    except OSError:
        pass
    return None


def patch_venv(venv: Any) -> None:
    """Have virtual environments start the image, by links of the interpreter's names."""
    if getattr(sys, "_base_executable", None) == running_image():  # its name would be that of the interpreter
        sys._base_executable = sys.executable  # type: ignore[attr-defined] # see watch_virtualenv()
    ensure_directories = venv.EnvBuilder.ensure_directories
    create_configuration = venv.EnvBuilder.create_configuration

    def ensure_directories_(self: Any, env_dir: Any) -> Any:
        context = ensure_directories(self, env_dir)
        image = running_image()
        if image:
            context.executable = image
            context.python_dir = os.path.dirname(image)
        return context

    def create_configuration_(self: Any, context: Any) -> None:
        create_configuration(self, context)
        if context.executable == running_image():
            with open(context.cfg_path, encoding="utf-8") as file:
                lines = file.readlines()
            # The rest only tells where this Python is mounted now.
            with open(context.cfg_path, "w", encoding="utf-8") as file:
                file.writelines(line for line in lines if not line.startswith(("executable =", "command =")))

    venv.EnvBuilder.ensure_directories = ensure_directories_
    venv.EnvBuilder.create_configuration = create_configuration_


def _answers_virtualenv() -> bool:
    """Whether this process runs the script by which virtualenv asks an interpreter what it is.

    Its name is ``virtualenv/discovery/py_info.py``, or since virtualenv 21 that of a module of python-discovery, which
    is copied to a directory of any name if it comes from a zip archive.
    """
    directory, name = os.path.split(sys.argv[0] if sys.argv else "")
    return name == "_py_info_collect.py" or (
        name in ("py_info.py", "_py_info.py") and os.path.basename(directory) in ("discovery", "python_discovery")
    )


def answer_virtualenv() -> None:
    """Name the link that was started where virtualenv asks for the interpreter.

    What makes environments on top of ``sys.executable`` would otherwise put links into them that lead to where the
    image is mounted now. The link must not be followed either: the file at its end starts the application. An
    environment that is made from another one therefore rests on the link within that one.
    """
    link = _called_link()
    if link is None or not _answers_virtualenv():
        return
    is_link = os.path.islink
    os.path.islink = lambda path: path != link and is_link(path)
    sys.executable = link


def watch_virtualenv() -> None:
    """Change virtualenv as soon as this process has loaded it, wherever it is imported from; and tell uv of the image.

    uv asks an interpreter for the path that an environment's link to it is to have. The file of the image is no
    interpreter, and becomes one by a link of that name.
    """
    sys.meta_path.insert(0, _VirtualenvWatch())
    image = running_image()
    if image and sys.prefix == sys.base_prefix and _called_link() is None:
        sys._base_executable = image  # type: ignore[attr-defined] # the application's own interpreter


class _VirtualenvWatch:
    """Finds no module, and sees whenever one is looked for whether virtualenv's class ``Creator`` is there by now."""

    def find_spec(self, _name: str, _path: Any = None, _target: Any = None) -> None:
        """Return None, as what does not know a module does (:pep:`451`)."""
        creator = sys.modules.get("virtualenv.create.creator")
        if hasattr(creator, "Creator"):
            # In a new list: importlib is going through this one.
            sys.meta_path = [finder for finder in sys.meta_path if finder is not self]
            patch_virtualenv(creator)


def patch_virtualenv(creator: Any) -> None:
    """Have what virtualenv made of this interpreter start the image, by links of the interpreter's names.

    Args:
        creator: the module ``virtualenv.create.creator``.

    """
    run = creator.Creator.run

    def run_(self: Any) -> None:
        run(self)
        image = running_image()
        if image:
            _rest_on_image(str(self.bin_dir), str(self.interpreter.system_executable), image)
            _forget_mount(self.pyenv_cfg.content, image)

    creator.Creator.run = run_


def _rest_on_image(directory: str, interpreter: str, image: str) -> None:
    """Put the image in the place of each link to, and each copy of, the interpreter in an environment.

    Args:
        directory: the environment's directory of programs.
        interpreter: what it was made from.
        image: the path of the image's file.

    """
    from filecmp import cmp
    from shutil import copyfile

    with os.scandir(directory) as found:
        entries = list(found)
    for entry in entries:
        if entry.is_symlink():
            if _is_mounted(os.readlink(entry.path)):
                os.unlink(entry.path)
                os.symlink(image, entry.path)
        elif _is_mounted(interpreter) and entry.is_file() and cmp(entry.path, interpreter, shallow=False):
            copyfile(image, entry.path)


def _forget_mount(configuration: dict[str, str], image: str) -> None:
    """Keep out of ``pyvenv.cfg`` where this Python is mounted now."""
    for key, value in list(configuration.items()):
        if sys.base_prefix in value:
            del configuration[key]
            if key == "home":
                configuration[key] = os.path.dirname(image)


def _is_mounted(path: str) -> bool:
    """Whether a path is one of the files of this Python."""
    return os.path.realpath(path).startswith(os.path.realpath(sys.base_prefix) + os.sep)


def patch_schemes(sysconfig: Any) -> None:
    """Look for what is installed where it was installed, as in a virtual environment.

    By default, Debian's own Python installs below ``local`` in its prefix, for the administrator of a machine.
    """
    own = ("posix_local", "deb_system")
    name = "_get_preferred_schemes" if hasattr(sysconfig, "_get_preferred_schemes") else "_get_default_scheme"
    decide = getattr(sysconfig, name)

    def decide_() -> Any:
        answer = decide()
        if isinstance(answer, str):
            return "posix_prefix" if answer in own else answer
        return {key: "posix_prefix" if scheme in own else scheme for key, scheme in answer.items()}

    setattr(sysconfig, name, decide_)
    for function in (sysconfig.get_path, sysconfig.get_paths):
        function.__defaults__ = tuple("posix_prefix" if value in own else value for value in function.__defaults__)


def patch_distutils(sysconfig: Any) -> None:
    """Have distutils look there, too; Debian's asks whether it runs in a virtual environment.

    Args:
        sysconfig: the module ``distutils.sysconfig``.

    """
    find = sysconfig.get_python_lib

    def get_python_lib(plat_specific: Any = 0, standard_lib: Any = 0, prefix: str | None = None) -> Any:
        """Return the directory of the standard library or of installed packages."""
        if not (standard_lib or prefix):
            prefix = sys.exec_prefix if plat_specific else sys.prefix
        return find(plat_specific, standard_lib, prefix)

    sysconfig.get_python_lib = get_python_lib
    sysconfig.is_virtual_environment = lambda: True
