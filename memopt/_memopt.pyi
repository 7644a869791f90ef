# The C core.  Names that begin with an underscore are private.

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import GenericAlias
from typing import Any, Literal, Self, SupportsIndex, TypeVar, overload

from typing_extensions import TypeIs, disjoint_base

_T1 = TypeVar("_T1")
_T2 = TypeVar("_T2")
_T3 = TypeVar("_T3")
_T4 = TypeVar("_T4")
_T5 = TypeVar("_T5")
_S = TypeVar("_S")
_T_co = TypeVar("_T_co", covariant=True)

@disjoint_base
class LazyMap(Sequence[_T_co]):
    @overload
    def __new__(
        cls,
        func: Callable[[_T1], _T_co],
        iterable: Iterator[_T1],
        /,
        *,
        strict: bool = False,
    ) -> LazyMapIterator[_T_co]: ...
    @overload
    def __new__(
        cls,
        func: Callable[[_T1], _T_co],
        iterable: Iterable[_T1],
        /,
        *,
        strict: bool = False,
    ) -> Self: ...
    @overload
    def __new__(
        cls,
        func: Callable[[_T1, _T2], _T_co],
        iterable: Iterable[_T1],
        iterable2: Iterable[_T2],
        /,
        *,
        strict: bool = False,
    ) -> Self: ...
    @overload
    def __new__(
        cls,
        func: Callable[[_T1, _T2, _T3], _T_co],
        iterable: Iterable[_T1],
        iterable2: Iterable[_T2],
        iterable3: Iterable[_T3],
        /,
        *,
        strict: bool = False,
    ) -> Self: ...
    @overload
    def __new__(
        cls,
        func: Callable[[_T1, _T2, _T3, _T4], _T_co],
        iterable: Iterable[_T1],
        iterable2: Iterable[_T2],
        iterable3: Iterable[_T3],
        iterable4: Iterable[_T4],
        /,
        *,
        strict: bool = False,
    ) -> Self: ...
    @overload
    def __new__(
        cls,
        func: Callable[[_T1, _T2, _T3, _T4, _T5], _T_co],
        iterable: Iterable[_T1],
        iterable2: Iterable[_T2],
        iterable3: Iterable[_T3],
        iterable4: Iterable[_T4],
        iterable5: Iterable[_T5],
        /,
        *,
        strict: bool = False,
    ) -> Self: ...
    @overload
    def __new__(
        cls,
        func: Callable[..., _T_co],
        iterable: Iterable[Any],
        iterable2: Iterable[Any],
        iterable3: Iterable[Any],
        iterable4: Iterable[Any],
        iterable5: Iterable[Any],
        iterable6: Iterable[Any],
        /,
        *iterables: Iterable[Any],
        strict: bool = False,
    ) -> Self: ...
    def __len__(self) -> int: ...
    def __bool__(self) -> bool: ...
    @overload
    def __getitem__(self, key: SupportsIndex, /) -> _T_co: ...
    @overload
    def __getitem__(self, key: slice, /) -> LazyMap[_T_co]: ...
    def __iter__(self) -> Iterator[_T_co]: ...
    def __reversed__(self) -> Iterator[_T_co]: ...
    def __contains__(self, key: object, /) -> bool: ...
    def count(self, value: Any, /) -> int: ...
    def index(
        self, value: Any, start: SupportsIndex = 0, stop: SupportsIndex = ..., /
    ) -> int: ...
    def map(self, func: Callable[[_T_co], _S], /) -> LazyMap[_S]: ...
    @overload
    def filter(self: LazyMap[_S | None], predicate: None, /) -> LazyMap[_S]: ...
    @overload
    def filter(self, predicate: Callable[[_T_co], TypeIs[_S]], /) -> LazyMap[_S]: ...
    @overload
    def filter(self, predicate: Callable[[_T_co], Any], /) -> LazyMap[_T_co]: ...
    def batched(
        self, n: SupportsIndex, strict: bool = False
    ) -> LazyMap[Sequence[_T_co]]: ...
    def cached(self) -> LazyMap[_T_co]: ...
    def to_list(self) -> list[_T_co]: ...
    @overload
    def to_array(self, typecode: Literal["f", "d"] = "d") -> array[float]: ...
    @overload
    def to_array(
        self,
        typecode: Literal["b", "B", "h", "H", "i", "I", "l", "L", "q", "Q"],
    ) -> array[int]: ...
    @overload
    def to_array(self, typecode: str) -> array[Any]: ...
    def __copy__(self) -> Self: ...
    def __class_getitem__(cls, item: Any, /) -> GenericAlias: ...

@disjoint_base
class LazyMapIterator(LazyMap[_T_co], Iterator[_T_co]):
    def __iter__(self) -> Self: ...
    def __next__(self) -> _T_co: ...
    def __length_hint__(self) -> int: ...
    def map(self, func: Callable[[_T_co], _S], /) -> LazyMapIterator[_S]: ...
    @overload
    def filter(
        self: LazyMapIterator[_S | None], predicate: None, /
    ) -> LazyMapIterator[_S]: ...
    @overload
    def filter(
        self, predicate: Callable[[_T_co], TypeIs[_S]], /
    ) -> LazyMapIterator[_S]: ...
    @overload
    def filter(
        self, predicate: Callable[[_T_co], Any], /
    ) -> LazyMapIterator[_T_co]: ...
    def batched(
        self, n: SupportsIndex, strict: bool = False
    ) -> LazyMapIterator[tuple[_T_co, ...]]: ...
