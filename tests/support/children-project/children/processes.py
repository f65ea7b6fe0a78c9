# SPDX-License-Identifier: MIT
"""Processes of the application's own Python."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

Self = dict[str, Any]


def describe(number: int = 0) -> Self:
    """Return what a process says of its Python."""
    import children

    return {
        "number": number,
        "pid": os.getpid(),
        "process": Path("/proc/self/comm").read_text().strip(),
        "executable": sys.executable,
        "base_executable": sys._base_executable,  # type: ignore[attr-defined]
        "ignores_environment": sys.flags.ignore_environment,
        "no_user_site": sys.flags.no_user_site,
        "prefix": sys.prefix,
        "path": sys.path,
        "isolated": sys.flags.isolated,
        "package": children.__file__,
        "environment": dict(os.environ),
    }


def again() -> dict[str, Self]:
    """Start ``sys.executable`` in the usual ways."""
    code = "import json; from children.processes import describe; print(json.dumps(describe()))"
    commands = {
        "-c": [sys.executable, "-c", code],
        "-Ic": [sys.executable, "-Ic", code],
        "-m": [sys.executable, "-m", "children", "describe"],
        "script": [sys.argv[0], "describe"],
        "replaced": [sys.executable, "-m", "children", "replace"],
    }
    return {name: json.loads(subprocess.check_output(command)) for name, command in commands.items()}


def replace() -> None:
    """Become another process of this Python."""
    os.execv(sys.executable, [sys.executable, "-m", "children", "describe"])  # noqa: S606 - this is what is looked at


def pools(method: str) -> dict[str, Any]:
    """Compute in processes that are started by one of multiprocessing's methods."""
    context: Any = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=_put, args=(queue,))
    process.start()
    from_process = queue.get(timeout=60)
    process.join()
    with context.Pool(2) as pool:
        from_pool = pool.map(describe, range(4))
    with context.Manager() as manager:
        shared = manager.dict()
        keeper = context.Process(target=_keep, args=(shared,))
        keeper.start()
        keeper.join()
        from_manager = dict(shared)
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        from_executor = list(executor.map(describe, range(4)))
    return {
        "process": [from_process],
        "pool": from_pool,
        "manager": from_manager,
        "executor": from_executor,
        "status": process.exitcode,
        "memory": _share_memory(context),
    }


def _put(queue: Any) -> None:
    queue.put(describe())


def _keep(shared: Any) -> None:
    shared["answer"] = 42


def _share_memory(context: Any) -> str:
    from multiprocessing.shared_memory import SharedMemory

    memory = SharedMemory(create=True, size=16)
    try:
        process = context.Process(target=_write_memory, args=(memory.name,))
        process.start()
        process.join()
        assert memory.buf is not None
        return bytes(memory.buf[:5]).decode()
    finally:
        memory.close()
        memory.unlink()


def _write_memory(name: str) -> None:
    from multiprocessing.shared_memory import SharedMemory

    memory = SharedMemory(name)
    assert memory.buf is not None
    memory.buf[:5] = b"hello"
    memory.close()


def run_python(*arguments: str) -> dict[str, Any]:
    """Run this Python with arguments, and return how it ended and what it wrote."""
    result = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    return {"status": result.returncode, "output": result.stdout, "errors": result.stderr}


def environment_of_python(directory: str, way: str) -> dict[str, Any]:
    """Make a virtual environment on top of this Python, with links or copies, and use it."""
    import venv

    venv.create(directory, symlinks=way == "links")
    code = (
        "import importlib.util, json, sys; print(json.dumps({'prefix': sys.prefix, 'base': sys.base_prefix, "
        "'executable': sys.executable, "
        "'path': sys.path, 'project': importlib.util.find_spec('children') is not None}))"
    )
    answer: dict[str, Any] = json.loads(subprocess.check_output([f"{directory}/bin/python", "-Ic", code]))
    return answer
