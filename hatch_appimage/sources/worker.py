# SPDX-License-Identifier: MIT
"""Look at sources in processes of their own, as one Python uses one processor at a time.

A new process, and not a fork of this one: whoever runs the build may have threads. It imports no more than this room's
own modules that look at sources, from where this process has them, and nothing of the environment or of any
`sitecustomize` gets into it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hatch_appimage.process import run
from hatch_appimage.sources import facts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hatch_appimage.sources.facts import Text

_PACKAGES = Path(facts.__file__).parents[2]
_PROGRAM = """
import sys
sys.path.append(sys.argv[1])
sys.setrecursionlimit(int(sys.argv[3]))
import json
from hatch_appimage.sources.facts import Text, find_all, pack
with open(sys.argv[2], "wb") as file:
    for batch in json.load(sys.stdin):
        texts = [Text(data.encode("latin-1"), package, stdlib) for data, package, stdlib in batch]
        file.write(pack(find_all(texts)) + bytes([10]))
"""


def find_packed(batches: Sequence[Sequence[Text]]) -> list[bytes]:
    """Return what sources say of themselves, as it is packed, for each batch of them.

    What the process looks at is what was read here, as text of as many characters, whatever becomes of the files.

    Raises:
        ProcessError: the process failed.

    """
    texts = [[(text.data.decode("latin-1"), text.package, text.stdlib) for text in batch] for batch in batches]
    with TemporaryDirectory(prefix="hatch-appimage-sources-") as directory:
        file = Path(directory, "facts")
        arguments = [str(_PACKAGES), str(file), str(sys.getrecursionlimit())]
        run([sys.executable, "-BIS", "-c", _PROGRAM, *arguments], doing="read sources", stdin=json.dumps(texts))
        return file.read_bytes().splitlines()
