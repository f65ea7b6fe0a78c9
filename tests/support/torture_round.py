# SPDX-License-Identifier: MIT
"""One round of torture: an image, one way to start it, and what chance has chosen."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from support.starting import Start, wait_until
from support.world import processes, program_of, reap

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from support.starting import Running
    from support.ways import Way
    from support.world import World


@dataclass
class Round:
    """What a kind of torture has to play with.

    Attributes:
        world: where it is played.
        way: how images are started.
        chance: makes all choices.
        stack: what is to be undone in the end.
        notes: what was chosen, for whoever reads of a failure.
        settings: variables of all starts, beside the world's and the way's own.

    """

    world: World
    way: Way
    chance: random.Random
    stack: ExitStack
    notes: list[str] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    _before: frozenset[str] | None = None
    _started: list[Running] = field(default_factory=list)

    @classmethod
    @contextmanager
    def begin(cls, world: World, way: Way, choices: random.Random) -> Iterator[Round]:
        """Give a round its machine, and take back in the end what is left."""
        before = world.contents()
        with ExitStack() as stack:
            stack.callback(world.clean, before)
            stack.enter_context(way.machine(world))
            yield cls(world, way, choices, stack)

    def __str__(self) -> str:
        return ", ".join([self.way.name, *self.notes])

    def note(self, choice: object) -> None:
        """Remember what was chosen."""
        self.notes.append(str(choice))

    def choose(self, *choices: str) -> str:
        """Choose, and remember it."""
        choice = self.chance.choice(choices)
        self.note(choice)
        return choice

    def number(self, least: int, most: int) -> int:
        """Choose a number, and remember it."""
        number = self.chance.randint(least, most)
        self.note(number)
        return number

    def pass_a_moment(self) -> None:
        """Wait for as long as a part of a start takes, or all of it."""
        moment = self.chance.uniform(0, self.chance.choice((0.005, 0.02, 0.1)))
        self.note(f"after {moment * 1000:.1f} ms")
        time.sleep(moment)

    def start(
        self,
        *arguments: str,
        program: str | None = None,
        wrapper: Sequence[str | Path] = (),
        settings: Mapping[str, str] | None = None,
        groups: tuple[int, ...] = (),
        as_root: Sequence[Callable[[], None]] = (),
        steps: Sequence[Callable[[], None]] = (),
        terminal: int | None = None,
        first: bool = False,
    ) -> Running:
        """Start an image.

        Args:
            *arguments: the application's.
            program: the image's name, if it is not the way's.
            wrapper: a command that becomes the image, which is given to it as arguments.
            settings: further variables.
            groups: see `Start`, like the following.
            as_root: what the child does as root.
            steps: what it does then.
            terminal: of which it leads the session.
            first: as process 1.

        """
        if self._before is None:
            self._before = self.world.contents()
        running = Start(
            [*wrapper, self.world.programs / (program or self.way.image), *arguments],
            {**self.world.environment(), **self.way.settings, **self.settings, **(settings or {})},
            self.world.programs,
            user=self.way.user,
            groups=groups,
            as_root=as_root,
            steps=steps,
            terminal=terminal,
            first=first,
        ).start()
        self._started.append(running)
        self.stack.callback(running.close)
        return running

    def helpers(self, running: Running) -> list[int]:
        """Return the processes that the runtime has made beside the application."""
        own = str(self.world.programs)
        return [p for p in processes() if p != running.process and program_of(p).startswith(own)]

    def settle(self) -> None:
        """Wait until all has ended, and see that nothing is left.

        Raises:
            MisbehaviorError: something is, or does not end.

        """
        if self._before is not None:
            self.world.settle(self._before)

    def expect_a_later_start(self) -> None:
        """See that the image starts on the next day as if nothing had been, and clears what could not be cleared."""
        # What is not killed yet may still unmount, and leave a mount point that is older than a day by then.
        wait_until(lambda: not reap(), "what was killed has not ended")
        for line in self.world.contents() - (self._before or frozenset()):
            with suppress(OSError):  # a dead mount has no times
                os.utime(line.partition(" ")[2], (0, 0), follow_symlinks=False)
        self.start("exit", "5").end().expect(5)
        self.settle()
