"""Nothing to swap: cycles, weak references, deep nesting, other owners."""

import collections
import functools
import itertools
import queue
import threading
import types
import weakref


class Node:
    __slots__ = ("__weakref__", "next")

    def __init__(self) -> None:
        self.next: Node | None = None


chain = first = Node()
for _ in range(3000):
    chain.next = Node()
    chain = chain.next
chain.next = first

deep: list[object] = []
for _ in range(3000):
    deep = [deep, None]

cycle: list[object] = [1.5]
cycle.append(cycle)
weak = [weakref.ref(first) for _ in range(10)]
weak_dict = weakref.WeakValueDictionary({1: first})

Pair = collections.namedtuple("Pair", "a b")
pairs = [Pair(i, object()) for i in range(100)]
counter = collections.Counter("counted letters")
ordered = collections.OrderedDict((i, i) for i in range(100))
default = collections.defaultdict(list, {i: [i] for i in range(100)})
ring = collections.deque(range(100), maxlen=100)
jobs: queue.Queue[int] = queue.Queue()
jobs.put(1)
chained = itertools.chain([1, 2], [3])
next(chained)
partial = functools.partial(int, base=10)
cached = functools.lru_cache(lambda x: x)
proxy = types.MappingProxyType({"a": 1})
local = threading.local()
local.value = "in a thread's own dict"
generator = (x for x in [1, 2, 3])
next(generator)
view = memoryview(bytearray(100))
everything = globals()


def closure(captured: list[int]) -> object:
    return lambda: captured


function = closure([1, 2, 3])
