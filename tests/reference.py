"""What memopt must agree with, in plain Python: slow, obvious, independent."""

import itertools
from collections.abc import Hashable, Iterable
from fractions import Fraction
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


def exact_sum(values: Iterable[float]) -> float:
    """The infinitely precise sum of finite floats, rounded once.

    An overflow gives an infinity: unlike float(Fraction), which raises.
    """
    total = sum(map(Fraction, values), Fraction(0))
    try:
        return float(total)
    except OverflowError:
        return float("inf") if total > 0 else float("-inf")


class S3Fifo(Generic[Key]):
    """The S3-FIFO eviction policy (Yang et al., SOSP 2023) with an exact ghost."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.probation: list[Key] = []  # oldest first
        self.main: list[Key] = []
        self.visits: dict[Key, int] = {}  # of the residents, 0 to 3
        self.ghost: dict[Key, None] = {}  # lately evicted, oldest first

    def request(self, key: Key) -> bool:
        """Whether the key was resident; it is afterwards."""
        if key in self.visits:
            self.visits[key] = min(3, self.visits[key] + 1)
            return True
        queue = self.main if key in self.ghost else self.probation
        self.ghost.pop(key, None)
        while len(self.visits) >= self.capacity:
            self.evict()
        queue.append(key)
        self.visits[key] = 0
        return False

    def evict(self) -> None:
        for rotation in itertools.count():
            # One in ten residents, rounded up, is probation's share.
            on_probation = 10 * len(self.probation) >= len(self.visits)
            key = (self.probation if on_probation else self.main).pop(0)
            if self.visits[key] == 0 or rotation == 64:
                break
            self.visits[key] -= 1
            self.main.append(key)
        del self.visits[key]
        if on_probation:
            self.ghost[key] = None
            if len(self.ghost) > self.capacity:
                del self.ghost[next(iter(self.ghost))]

    def discard(self, key: Key) -> None:
        del self.visits[key]
        (self.probation if key in self.probation else self.main).remove(key)

    def resize(self, capacity: int) -> None:
        self.capacity = capacity
        self.ghost.clear()
        while len(self.visits) > capacity:
            self.evict()
