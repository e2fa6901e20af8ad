"""How a process dies in the middle of its work: an exception that nothing which handles errors may see."""

from __future__ import annotations

from collections.abc import Callable


class Crash(BaseException):
    """The process dies here: no handler for errors may see it."""


def dying(
    write: Callable[[int, bytes], int], count: int, how: int, dies: Callable[[], None]
) -> Callable[[int, bytes], int]:
    """A journal's `write` that dies at the `count`-th line: before it, in the middle of it, or after it."""
    left = [count]

    def at(fd: int, line: bytes) -> int:
        left[0] -= 1
        if left[0] >= 0:
            return write(fd, line)
        if left[0] == -1:
            dies()
            if how == 1:
                write(fd, line[: len(line) // 2])
            if how == 2:
                write(fd, line)
        raise Crash

    return at
