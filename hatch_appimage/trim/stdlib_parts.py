# SPDX-License-Identifier: MIT
"""The parts of the standard library that an image can do without where nothing in it uses them.

Whatever users' data can ask for is none of them: codecs, time zones, compression formats, and classes whose objects are
pickled (``decimal``, ``uuid``). Neither is what the interpreter itself imports, the self-test of an image, or its build
(``py_compile``).
"""

from __future__ import annotations

from functools import cache

#: The modules and packages of each part; it is known by the first of them. All of a part stays, or none of it.
PARTS = (
    ("__hello__",),
    ("__phello__",),
    ("_pydatetime",),
    ("_pydecimal",),
    ("_pyio",),
    ("_pyrepl",),
    ("_xxinterpchannels",),
    ("_xxsubinterpreters",),
    ("aifc",),
    ("antigravity",),
    ("asynchat",),
    ("asyncio", "_asyncio"),
    ("asyncore",),
    ("audioop",),
    ("bdb",),
    ("binhex",),
    ("cProfile",),
    ("cgi",),
    ("cgitb",),
    ("chunk",),
    ("cmd",),
    ("code",),
    ("compileall",),
    ("concurrent.futures",),
    ("concurrent.futures.process",),
    ("concurrent.interpreters",),
    ("configparser",),
    ("crypt", "_crypt"),
    ("curses", "_curses", "_curses_panel"),
    ("dbm", "_dbm", "_gdbm"),
    ("distutils",),
    ("doctest",),
    ("ensurepip",),
    ("fileinput",),
    ("formatter",),
    ("ftplib",),
    ("hashlib", "_hashlib"),
    ("hmac", "_hmac"),
    ("html",),
    ("http",),
    ("idlelib",),
    ("imaplib",),
    ("imghdr",),
    ("lib2to3",),
    ("logging.config",),
    ("logging.handlers",),
    ("mailbox",),
    ("mailcap",),
    ("modulefinder",),
    ("msilib",),
    ("multiprocessing", "_multiprocessing", "_posixshmem"),
    ("netrc",),
    ("nntplib",),
    ("optparse",),
    ("ossaudiodev",),
    ("parser",),
    ("pdb",),
    ("pickletools",),
    ("pipes",),
    ("plistlib",),
    ("poplib",),
    ("profile",),
    ("profiling", "_lsprof"),
    ("pstats",),
    ("pty",),
    ("pyclbr",),
    ("pydoc",),
    ("pydoc_data",),
    ("readline",),
    ("rlcompleter",),
    ("secrets",),
    ("shelve",),
    ("smtpd",),
    ("smtplib",),
    ("sndhdr",),
    ("socketserver",),
    ("spwd",),
    ("sqlite3", "_sqlite3"),
    ("ssl", "_ssl"),
    ("sunau",),
    ("symbol",),
    ("symtable",),
    ("tabnanny",),
    ("telnetlib",),
    ("this",),
    ("timeit",),
    ("tomllib",),
    ("trace",),
    ("turtledemo",),
    ("unittest",),
    ("urllib.request",),
    ("urllib.robotparser",),
    ("uu",),
    ("venv",),
    ("wave",),
    ("webbrowser",),
    ("wsgiref",),
    ("xdrlib",),
    ("xml", "pyexpat", "_elementtree"),
    ("xmlrpc",),
    ("zipapp",),
)

#: The part that each of their modules and packages belongs to.
PART_OF = {name: part[0] for part in PARTS for name in part}


@cache
def part_of(name: str) -> str | None:
    """Return the part that a module belongs to, or what is in one; None for what is in none."""
    while name:
        if name in PART_OF:
            return PART_OF[name]
        name = name.rpartition(".")[0]
    return None
