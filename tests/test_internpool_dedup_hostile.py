"""InternPool.dedup of objects that are not what they seem."""

import copy
import ctypes
import functools
import gc
import itertools
import sys
import types
import warnings
from collections import OrderedDict, deque, namedtuple
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from support import free_threaded, run_in_fresh_process

from memopt import InternPool

pytestmark = pytest.mark.usefixtures("without_pandas")


def fresh(string: str) -> str:
    return (string + "\U0001f600")[:-1]


def pool_with(*strings: str) -> InternPool:
    pool = InternPool()
    for string in strings:
        pool.pin(string)
    return pool


class Rehashed:
    """A key that can no longer be found under its hash."""

    def __init__(self) -> None:
        self.hash = 1

    def __hash__(self) -> int:
        return self.hash

    def __eq__(self, other: object) -> bool:
        return self is other


class TestKeysWhoseHashHasChanged:
    def test_they_stay_where_they_are(self) -> None:
        pool = pool_with("name", "value")
        key, name = Rehashed(), fresh("name")
        of_dict = {key: fresh("value"), name: fresh("value")}
        key.hash = 2
        pool.dedup(of_dict)
        assert list(of_dict) == [key, "name"]
        assert all(value is pool.get("value") for value in of_dict.values())
        assert list(of_dict)[1] is pool.get("name")
        assert key not in of_dict
        key.hash = 1
        assert of_dict[key] == of_dict["name"] == "value"

    def test_without_a_change_they_are_walked(self) -> None:
        pool = pool_with("name", "value")
        of_dict = {Rehashed(): fresh("value"), fresh("name"): 2}
        pool.dedup(of_dict)
        assert pool.get("value") is next(iter(of_dict.values()))
        assert pool.get("name") is list(of_dict)[1]


class ById(namedtuple("ById", "name")):
    __slots__ = ()
    __eq__ = object.__eq__
    __hash__ = object.__hash__


class HashedOtherwise(namedtuple("HashedOtherwise", "name")):
    __slots__ = ()

    def __hash__(self) -> int:
        return id(self)


finalized: list[int] = []


class Finalized(namedtuple("Finalized", "name")):
    __slots__ = ()

    def __del__(self) -> None:
        finalized.append(id(self))


class Ordinary(NamedTuple):
    name: str


class TestNamedTuples:
    def test_that_compare_in_their_own_way_stay(self) -> None:
        for kind in (ById, HashedOtherwise):
            record = kind(fresh("name"))
            rows: list[Any] = [record]
            pool_with("name").dedup(rows)
            assert rows[0] is record, kind

    def test_with_a_finalizer_stay(self) -> None:
        finalized.clear()
        rows = [Finalized(fresh("name"))]
        pool_with("name").dedup(rows)
        assert finalized == []

    def test_others_are_made_anew(self) -> None:
        pool = pool_with("name")
        rows = [Ordinary(fresh("name"))]
        pool.dedup(rows)
        assert rows[0].name is pool.get("name")


class TestForeignMemory:
    def test_what_ctypes_objects_hold_stays(self) -> None:
        values: list[Any] = [fresh("value"), [fresh("value")]]
        array = (ctypes.py_object * 2)(*values)
        del values
        kept = array._objects
        assert kept is not None
        before = {id(item) for item in kept.values()}
        pool_with("value").dedup([array])
        assert {id(item) for item in kept.values()} == before
        assert list(array) == ["value", ["value"]]


class TestModules:
    def test_of_a_class_of_their_own_stay(self) -> None:
        class Lazy(types.ModuleType):
            pass

        module = Lazy("lazy")
        module.name = before = fresh("value")  # type: ignore[attr-defined]
        rows = [module, types]
        assert pool_with("value").dedup(rows).containers == 1
        assert module.name is before  # type: ignore[attr-defined]


class OwnError(Exception):
    pass


class OwnDeque(deque):  # type: ignore[type-arg]
    pass


def dict_with_a_hole() -> dict[Any, int]:
    d = {("key", fresh("value")): 1, 5: 2}
    del d[5]
    return d


def repeating(item: Any) -> Any:
    """An array that has the same place several times."""
    np = pytest.importorskip("numpy", reason="there are no other such arrays")
    array = np.empty(1, dtype=object)
    array[0] = item
    repeated = np.broadcast_to(array, 8)
    repeated.setflags(write=True)
    return repeated


def dict_with_a_lost_key() -> dict[Any, Any]:
    key = Rehashed()
    d = {key: (fresh("value"), 1), "other": 1}
    key.hash = 2
    return d


class TestReports:
    """Of tuples, only what is written in place of others counts."""

    @pytest.mark.parametrize(
        ("make", "replaced"),
        [
            (lambda: [OwnError(fresh("value"))], 0),
            (lambda: functools.partial(print, fresh("value"), (fresh("value"),)), 0),
            pytest.param(
                lambda: [OwnDeque([(fresh("value"), 1)])],
                1,
                marks=pytest.mark.skipif(free_threaded, reason="deques stay"),
            ),
            (dict_with_a_hole, 1),
            (dict_with_a_lost_key, 1),
            (
                lambda: repeating((fresh("value"), 1)),
                0 if free_threaded else 1,
            ),
            (lambda: [((fresh("value"),), fresh("value"))], 2),
            (lambda: {"key": (fresh("value"), [(fresh("value"),)])}, 2),
            (lambda: {(fresh("value"), (fresh("value"),)): 1}, 2),
            (lambda: [[pair, pair] for pair in [(fresh("value"), (1,))]], 1),
            pytest.param(
                lambda: deque([(fresh("value"), (fresh("value"),))]),
                2,
                marks=pytest.mark.skipif(free_threaded, reason="deques stay"),
            ),
        ],
    )
    def test_counts(self, make: Callable[[], Any], replaced: int) -> None:
        pool = pool_with("value", "key", "other")
        holder = [make()]
        report = pool.dedup(holder)
        assert report.replaced == replaced
        assert report.bytes_freed == replaced * sys.getsizeof("value")
        assert pool.dedup(holder)[2:] == (0, 0)

    def test_a_shared_string_is_counted_once_at_most(self) -> None:
        def make() -> list[Any]:
            value = fresh("value")
            pair, other = (value, value), (value, 1)
            return [pair, pair, other, other, value]

        holder = make()
        report = pool_with("value").dedup(holder)
        assert report.replaced == 4
        assert report.bytes_freed <= sys.getsizeof("value")


class TestRoots:
    def test_a_tuple_is_the_same_wherever_it_is_met(self) -> None:
        inner: list[Any] = []
        root = (inner, fresh("value"))
        inner.append(root)
        inner.append(fresh("value"))
        pool = pool_with("value")
        pool.dedup(root)
        assert root[0][0] is root
        assert inner[1] is pool.get("value")


class TestSharedTuples:
    def test_time_is_not_exponential_in_the_nesting(self) -> None:
        pool = pool_with("value")
        nested: tuple[Any, ...] = (fresh("value"),)
        for _ in range(90):  # 2**90 paths lead to the string
            nested = (nested, nested)
        holder = {"key": nested}
        report = pool.dedup(holder)
        assert report.containers == 92
        found: Any = holder["key"]
        while isinstance(found, tuple):
            assert all(item is found[0] for item in found)
            found = found[0]
        assert found is pool.get("value")


@pytest.mark.parametrize("kind", [list, dict])
def test_a_metaclass_runs_no_code_meanwhile(kind: type) -> None:
    asked: list[str] = []

    class Meta(type):
        def __getattribute__(cls, name: str) -> Any:
            asked.append(name)
            return super().__getattribute__(name)

    class Pair(tuple[str, str], metaclass=Meta):
        __slots__ = ()

    pairs = [Pair((fresh("a"), fresh("b"))) for _ in range(20)]
    holder: Any = pairs
    if kind is dict:
        holder = {fresh(f"k{i}"): pair for i, pair in enumerate(pairs)}
    asked.clear()
    InternPool().dedup(holder)
    assert asked == []


def holey(deleted: range, *more: Any) -> dict[Any, int]:
    d = {fresh(f"k{i}"): i for i in range(20)} | dict.fromkeys(more, 20)
    for i in deleted:
        del d[fresh(f"k{i}")]
    return d


@pytest.mark.parametrize("deleted", [range(10), range(1, 20, 3), range(15, 20)])
@pytest.mark.parametrize("more", [(), (("a", 1),)])
def test_a_loop_over_a_dict_with_holes_misses_nothing(
    deleted: range, more: tuple[Any, ...]
) -> None:
    d, expected = holey(deleted, *more), holey(deleted, *more)
    pool = InternPool()
    pool.intern_many([fresh(f"k{i}") for i in range(20)])
    met = []
    for key in d:
        met.append(key)
        if len(met) == 1:
            pool.dedup(d)
    assert met == list(expected)
    assert list(d.items()) == list(expected.items())


def test_a_reversed_loop_over_a_dict_with_holes_misses_nothing() -> None:
    d = holey(range(15, 20))
    pool = InternPool()
    pool.intern_many([fresh(f"k{i}") for i in range(20)])
    met = []
    for key in reversed(d):
        met.append(key)
        pool.dedup(d)
    assert met == list(d)[::-1]


class Armed:
    """An object whose comparison, once armed, empties what is walked."""

    def __init__(self) -> None:
        self.target: Any = None
        self.ran = 0

    def compare(self) -> bool:
        if self.target is not None:
            target, self.target = self.target, None
            target.clear()
            self.ran += 1
        return False

    def kind_of_tuple(self) -> Any:
        """Whether such have named fields is asked as they are walked."""

        class Name(str):
            def __hash__(_self) -> int:  # noqa: N805
                return hash("_fields")

            def __eq__(_self, other: object) -> bool:  # noqa: N805
                return self.compare()

        return type("Pair", (tuple,), {"__slots__": (), Name("name"): None})


class TestKeysOfManyKinds:
    """Values are replaced under all of them, and none is looked up."""

    @pytest.mark.parametrize("kind", [dict, OrderedDict])
    def test_values_under_them(self, kind: type) -> None:
        pool = pool_with("value")

        class Named(str):
            pass

        class Plain:
            pass

        class Hashed:
            def __hash__(self) -> int:
                return 5

        simple = [5, 0.5, True, None, (1, ("a", b"")), Named("b"), Plain(), "c", b"d"]
        simple.append(frozenset(["e"]))
        for keys in (simple, [*simple, Hashed(), frozenset([Hashed()])]):
            for holes in (False, True):
                mixed = kind({key: fresh("value") for key in keys})
                if holes:
                    del mixed[5]
                order = list(mixed)
                assert pool.dedup(mixed, keys=False).replaced == len(mixed)
                assert list(map(id, mixed)) == list(map(id, order))
                assert all(value is pool.get("value") for value in mixed.values())
                mixed[5] = "more"
                assert list(mixed) == [*order, 5] if holes else order

    @pytest.mark.parametrize("n", [1, 31, 32, 33, 256, 5000])
    def test_values_of_large_dicts(self, n: int) -> None:
        pool = pool_with("value")
        values: list[Any] = [fresh("value"), [fresh("value")], (fresh("value"),), 5]
        mixed = {i: copy.deepcopy(values[i % 4]) for i in range(n)}
        for i in range(n):
            if i % 4 == 0:
                mixed[i] = fresh("value")
        before = copy.deepcopy(mixed)
        pool.dedup(mixed)
        assert mixed == before
        for i, value in mixed.items():
            if i % 4 < 3:
                assert (value if i % 4 == 0 else value[0]) is pool.get("value")

    def test_a_key_of_a_changing_hash_is_not_added_again(self) -> None:
        class Key:
            calls = itertools.count()

            def __hash__(self) -> int:
                return next(self.calls)

        mixed: dict[Any, str] = {Key(): fresh("value"), "other": fresh("value")}
        pool_with("value").dedup(mixed)
        assert list(mixed.values()) == ["value"] * 2


class TestCodeRunByANameInAClass:
    """It may empty what is walked, whose items nothing else holds."""

    @pytest.mark.parametrize(
        "hold",
        [
            list,
            set,
            dict.fromkeys,
            lambda pairs: dict(enumerate(pairs)),
            lambda pairs: {fresh(f"k{i}"): pair for i, pair in enumerate(pairs)},
        ],
        ids=["list", "set", "keys", "values", "values under strings"],
    )
    def test_of_tuples(self, hold: Callable[[list[Any]], Any]) -> None:
        armed = Armed()
        pair = armed.kind_of_tuple()
        holder = hold([pair((fresh("a"), fresh(f"b{i}"))) for i in range(20)])
        armed.target = holder
        InternPool().dedup(holder)
        assert armed.ran == 1
        assert len(holder) == 0


class Deduping:
    """A key that replaces those that it is compared with, or their neighbours."""

    def __init__(self, pool: InternPool, container: Any, like: Any) -> None:
        self.pool, self.container, self.like = pool, container, like

    def __hash__(self) -> int:
        return hash(self.like)

    def __eq__(self, other: object) -> bool:
        self.pool.dedup(self.container)
        return False


@pytest.mark.parametrize("more", [{}, {5: 1, ("key", 2): 1}])
@pytest.mark.parametrize("as_set", [False, True])
def test_a_lookup_goes_on_when_its_key_is_replaced(
    more: dict[Any, int], as_set: bool
) -> None:
    for like in ("key", ("key", 1)):
        pool = pool_with("key")
        container: Any = {fresh("key"): 1, **more}
        if type(like) is tuple:
            container[fresh("key"), 1] = 2
        if as_set:
            container = set(container)
        expected = list(container)
        assert Deduping(pool, container, like) not in container
        assert list(container) == expected
        assert all(key in container for key in expected)
        for key in container:
            for string in key if type(key) is tuple else (key,):
                assert type(string) is int or string is pool.get("key")


def test_the_collector_may_change_a_deque() -> None:
    queue: Any = deque([fresh("north")])
    pool = pool_with("north")

    def change(*_: Any) -> None:
        queue.append(fresh("north"))

    threshold = gc.get_threshold()
    gc.callbacks.append(change)
    gc.set_threshold(1)
    try:
        for _ in range(20):
            pool.dedup(queue)
    finally:
        gc.set_threshold(*threshold)
        gc.callbacks.remove(change)
    pool.dedup(queue)
    assert free_threaded or {id(item) for item in queue} == {id(pool.get("north"))}


@pytest.mark.skipif(free_threaded, reason="deques stay")
def test_a_program_may_have_its_own_deque() -> None:
    run_in_fresh_process(
        """
import collections
made_in_c = collections.deque
class Deque(made_in_c):
    def __iter__(self):
        raise ZeroDivisionError
    __len__ = __getitem__ = __setitem__ = rotate = __iter__
collections.deque = Deque
from memopt import InternPool
pool = InternPool()
pool.pin("north")
queues = [kind(["".join(("no", "rth"))]) for kind in (made_in_c, Deque)]
pool.dedup(queues)
for queue in queues:
    assert made_in_c.pop(queue) is pool.get("north")
"""
    )


class TestArrays:
    """Of objects, whose items may be in several places, and places in several."""

    def test_places_met_again_are_written_once(self) -> None:
        pool = InternPool()
        north = pool.intern(fresh("north"))
        old = fresh("north")
        repeated = repeating(old)
        before = sys.getrefcount(old), sys.getrefcount(north)
        pool.dedup(repeated)
        if not free_threaded:
            assert repeated[0] is north
            after = sys.getrefcount(old), sys.getrefcount(north)
            assert after == (before[0] - 1, before[1] + 1)
        assert list(repeated) == ["north"] * 8

    def test_windows_that_overlap(self) -> None:
        np = pytest.importorskip("numpy", reason="there are no other such arrays")
        pool = InternPool()
        array = np.array([fresh("north") for _ in range(49)], dtype=object)
        windows = array.reshape(7, 7)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            windows.strides = (8, 8)
        pool.dedup(windows)
        assert list(array) == ["north"] * 49
        if not free_threaded:
            interned = [item is pool.get("north") for item in array]
            assert interned == [True] * 13 + [False] * 36

    def test_a_view_within_its_own_memory_is_walked_once(self) -> None:
        np = pytest.importorskip("numpy", reason="there are no other such arrays")
        array = np.empty(1, dtype=object)
        array[0] = [array[:]]
        assert InternPool().dedup(array).containers <= 4
        array[0] = None  # which the collector would not see


class Pair(tuple):
    pass


def test_a_ring_that_nothing_else_holds_any_more_is_walked_once() -> None:
    """The list lets go of it while the tuple before it is walked."""
    items: list[Any] = []
    items.append(Pair((items,)))
    armed = Armed()
    holder = [armed.kind_of_tuple()((fresh("north"),)), items.pop()]
    items.append(holder[1])
    del items
    armed.target = holder
    assert InternPool().dedup(holder).containers < 10
    assert armed.ran == 1
    assert holder == []
