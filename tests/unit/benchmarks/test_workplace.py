# SPDX-License-Identifier: MIT
"""What fails is told in one line, without this machine's directories; what does not run does not count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from apps import APPS
from workplace import PackerError, Product, Workplace

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    place = Workplace(tmp_path / "place", tmp_path / "shared", APPS[0])
    place.work.mkdir(parents=True)
    return place


def script(workplace: Workplace, text: str) -> Path:
    path = workplace.work / "program"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_the_reason_is_the_last_line(workplace: Workplace) -> None:
    program = script(workplace, f"echo first; echo no {workplace.work}/x in {workplace.shared}/y >&2; echo; exit 3")
    with pytest.raises(PackerError) as raised:
        workplace.run([program])
    assert str(raised.value) == "program fails: no work/x in y"


def test_the_reason_is_of_this_step(workplace: Workplace) -> None:
    workplace.run([script(workplace, "echo of the step before")])
    with pytest.raises(PackerError, match="program fails: it says nothing"):
        workplace.run([script(workplace, "exit 1")])


def test_steps_do_not_see_this_python(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("KEPT", "yes")
    program = script(workplace, 'echo "$PYTHONPATH:$KEPT:$ADDED" > printed')
    workplace.run([program], {"ADDED": "too"})
    assert (workplace.work / "printed").read_text() == ":yes:too\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("echo 'Hello, world!'", None),
        ("echo 'Hello, nobody!'", "Hello, nobody!"),
        ("echo 'Hello, world!'; exit 1", "Hello, world!"),
        ("exit 0", "it says nothing"),
        ("echo a; exec /nowhere", "nowhere"),
    ],
)
def test_what_was_made_must_run(workplace: Workplace, text: str, reason: str | None) -> None:
    product = Product(script(workplace, text))
    if reason is None:
        workplace.check(product)
        return
    with pytest.raises(PackerError, match=f"the program fails: .*{reason}"):
        workplace.check(product)


def test_what_is_not_there_does_not_run(workplace: Workplace) -> None:
    with pytest.raises(PackerError, match="No such file"):
        workplace.check(Product(workplace.work / "nothing"))


def test_a_program_sees_its_settings_alone(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER", "is there")
    program = script(workplace, 'echo "Hello, $WHOM$OTHER!"')
    workplace.check(Product(program, settings={"WHOM": "world"}))
