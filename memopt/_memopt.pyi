"""Types of the C core.  Import the names from memopt itself."""

import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from csv import Dialect, DictReader
from types import CodeType, EllipsisType, FrameType, GenericAlias
from typing import (
    Any,
    ClassVar,
    Final,
    Literal,
    Protocol,
    Self,
    SupportsFloat,
    SupportsIndex,
    TypeAlias,
    TypeVar,
    final,
    overload,
)

from _typeshed import structseq
from typing_extensions import Buffer, CapsuleType, TypeIs, disjoint_base

from memopt.adapters import InternedRows, InternFilter

_T = TypeVar("_T")
_T1 = TypeVar("_T1")
_T2 = TypeVar("_T2")
_T3 = TypeVar("_T3")
_T4 = TypeVar("_T4")
_T5 = TypeVar("_T5")
_S = TypeVar("_S")
_T_co = TypeVar("_T_co", covariant=True)

_Number: TypeAlias = SupportsFloat | SupportsIndex
_Numbers: TypeAlias = Buffer | ExactSum | Iterable[_Number | _Numbers]

def fsum(
    obj: _Numbers,
    /,
    *,
    special: Literal["propagate", "raise"] = "propagate",
    threads: SupportsIndex | None = None,
    progress: Callable[[int, int | None], object] | None = None,
) -> float: ...
def _isas() -> tuple[str, ...]: ...
def _set_isa(name: str, /) -> str: ...
def _set_ahead(n: int, /) -> int: ...
def _sum_steps() -> tuple[int, ...]: ...
def _sum_attempt(
    isa: str, levels: int, top: int, block: Buffer, /
) -> ExactSum | None: ...
def _restore_exactsum(state: bytes, /) -> ExactSum: ...

@final
class ExactSum:
    def __new__(cls, terms: _Number | _Numbers = (), /) -> Self: ...
    @property
    def value(self) -> float: ...
    @property
    def mean(self) -> float: ...
    @property
    def count(self) -> int: ...
    def add(self, x: _Number, /) -> None: ...
    def update(
        self, obj: _Numbers, /, *, threads: SupportsIndex | None = None
    ) -> None: ...
    def merge(self, other: ExactSum, /) -> None: ...
    def __add__(self, other: ExactSum, /) -> ExactSum: ...
    def __radd__(self, other: ExactSum, /) -> ExactSum: ...
    def __sub__(self, other: ExactSum, /) -> ExactSum: ...
    def __rsub__(self, other: ExactSum, /) -> ExactSum: ...
    def __iadd__(self, other: ExactSum, /) -> Self: ...
    def __isub__(self, other: ExactSum, /) -> Self: ...
    def __float__(self) -> float: ...
    def __eq__(self, other: object, /) -> bool: ...
    __hash__: None  # type: ignore[assignment]
    def __reduce__(self) -> tuple[Callable[[bytes], ExactSum], tuple[bytes]]: ...
    def __setstate__(self, state: bytes, /) -> None: ...

class _ArrayInterface(Protocol):
    @property
    def __array_interface__(self) -> dict[str, Any]: ...

class _DLPack(Protocol):
    def __dlpack__(self) -> object: ...

class _NumPyDType(Protocol):
    @property
    def str(self) -> str: ...

_DType: TypeAlias = Literal["d", "f", "float64", "float32"] | type[Any] | _NumPyDType
_Real: TypeAlias = SupportsFloat | SupportsIndex
_Block: TypeAlias = Buffer | _ArrayInterface | _DLPack
_Row: TypeAlias = Iterable[_Real] | _Block
_Rows: TypeAlias = Iterable[_Row] | _Block
_Out = TypeVar("_Out", bound=Buffer)
_Where: TypeAlias = bool | Buffer | Sequence[bool] | Sequence[Sequence[bool]]

@final
class FloatVector(Sequence[float], Buffer):
    __hash__: ClassVar[None]  # type: ignore[assignment]
    @property
    def T(self) -> FloatVector: ...  # noqa: N802
    @property
    def flat(self) -> FloatVector: ...
    @property
    def shape(self) -> tuple[int]: ...
    @property
    def dtype(self) -> Literal["d", "f"]: ...
    @property
    def itemsize(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def readonly(self) -> bool: ...
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, key: SupportsIndex | tuple[SupportsIndex], /) -> float: ...
    @overload
    def __getitem__(self, key: slice | tuple[slice] | tuple[()], /) -> FloatVector: ...
    @overload
    def __setitem__(
        self, key: SupportsIndex | tuple[SupportsIndex], value: _Real, /
    ) -> None: ...
    @overload
    def __setitem__(
        self, key: slice | tuple[slice] | tuple[()], value: _Row, /
    ) -> None: ...
    def __delitem__(self, key: Any, /) -> None: ...
    def __contains__(self, key: object, /) -> bool: ...
    def __eq__(self, value: object, /) -> bool: ...
    if sys.version_info >= (3, 12):
        def __buffer__(self, flags: int, /) -> memoryview: ...

    def __copy__(self) -> FloatVector: ...
    def __deepcopy__(self, memo: object, /) -> FloatVector: ...
    def __reduce_ex__(self, protocol: SupportsIndex, /) -> tuple[Any, ...]: ...
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any: ...
    def __dlpack__(
        self,
        *,
        stream: None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> CapsuleType: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...
    def copy(self) -> FloatVector: ...
    def count(self, value: object, /) -> int: ...
    def index(
        self, value: object, start: SupportsIndex = 0, stop: SupportsIndex = ..., /
    ) -> int: ...
    @overload
    def mean(
        self,
        axis: SupportsIndex | tuple[SupportsIndex] | None = None,
        *,
        dtype: _DType | None = None,
        out: None = None,
        keepdims: Literal[False] = False,
        where: _Where | None = True,
        skipna: bool = False,
        threads: SupportsIndex | None = None,
    ) -> float: ...
    @overload
    def mean(
        self,
        axis: SupportsIndex | tuple[SupportsIndex] | None = None,
        *,
        dtype: _DType | None = None,
        out: None = None,
        keepdims: Literal[True],
        where: _Where | None = True,
        skipna: bool = False,
        threads: SupportsIndex | None = None,
    ) -> FloatVector: ...
    @overload
    def mean(
        self,
        axis: SupportsIndex | tuple[SupportsIndex] | None = None,
        *,
        dtype: _DType | None = None,
        out: _Out,
        keepdims: bool = False,
        where: _Where | None = True,
        skipna: bool = False,
        threads: SupportsIndex | None = None,
    ) -> _Out: ...
    @overload
    def sum(
        self,
        axis: SupportsIndex | tuple[SupportsIndex] | None = None,
        *,
        dtype: _DType | None = None,
        out: None = None,
        keepdims: Literal[False] = False,
        initial: _Number = 0.0,
        where: _Where | None = True,
        skipna: bool = False,
        threads: SupportsIndex | None = None,
    ) -> float: ...
    @overload
    def sum(
        self,
        axis: SupportsIndex | tuple[SupportsIndex] | None = None,
        *,
        dtype: _DType | None = None,
        out: None = None,
        keepdims: Literal[True],
        initial: _Number = 0.0,
        where: _Where | None = True,
        skipna: bool = False,
        threads: SupportsIndex | None = None,
    ) -> FloatVector: ...
    @overload
    def sum(
        self,
        axis: SupportsIndex | tuple[SupportsIndex] | None = None,
        *,
        dtype: _DType | None = None,
        out: _Out,
        keepdims: bool = False,
        initial: _Number = 0.0,
        where: _Where | None = True,
        skipna: bool = False,
        threads: SupportsIndex | None = None,
    ) -> _Out: ...
    def tolist(self) -> list[float]: ...

@final
class FloatMatrix(Sequence[FloatVector], Buffer):
    __hash__: ClassVar[None]  # type: ignore[assignment]
    def __new__(
        cls,
        obj: _Rows = (),
        /,
        *,
        dtype: _DType | None = None,
        copy: bool | None = None,
    ) -> Self: ...
    @classmethod
    def zeros(
        cls, rows: SupportsIndex, columns: SupportsIndex, dtype: _DType | None = "d"
    ) -> Self: ...
    @classmethod
    def full(
        cls,
        rows: SupportsIndex,
        columns: SupportsIndex,
        value: _Real,
        dtype: _DType | None = "d",
    ) -> Self: ...
    @classmethod
    def random(
        cls, rows: SupportsIndex, columns: SupportsIndex, seed: int | None = None
    ) -> Self: ...
    @classmethod
    def from_iterable(
        cls,
        rows: SupportsIndex,
        columns: SupportsIndex,
        iterable: Iterable[_Real],
        dtype: _DType | None = "d",
    ) -> Self: ...
    @property
    def T(self) -> FloatMatrix: ...  # noqa: N802
    @property
    def flat(self) -> FloatVector: ...
    @property
    def shape(self) -> tuple[int, int]: ...
    @property
    def dtype(self) -> Literal["d", "f"]: ...
    @property
    def itemsize(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def readonly(self) -> bool: ...
    def __len__(self) -> int: ...
    @overload
    def __getitem__(
        self,
        key: SupportsIndex
        | tuple[SupportsIndex]
        | tuple[SupportsIndex, slice]
        | tuple[slice, SupportsIndex],
        /,
    ) -> FloatVector: ...
    @overload
    def __getitem__(
        self, key: slice | tuple[slice] | tuple[slice, slice] | tuple[()], /
    ) -> FloatMatrix: ...
    @overload
    def __getitem__(self, key: tuple[SupportsIndex, SupportsIndex], /) -> float: ...
    @overload
    def __setitem__(
        self,
        key: SupportsIndex
        | tuple[SupportsIndex]
        | tuple[SupportsIndex, slice]
        | tuple[slice, SupportsIndex],
        value: _Row,
        /,
    ) -> None: ...
    @overload
    def __setitem__(
        self,
        key: slice | tuple[slice] | tuple[slice, slice] | tuple[()],
        value: _Rows,
        /,
    ) -> None: ...
    @overload
    def __setitem__(
        self, key: tuple[SupportsIndex, SupportsIndex], value: _Real, /
    ) -> None: ...
    def __delitem__(self, key: Any, /) -> None: ...
    def __contains__(self, key: object, /) -> bool: ...
    def __eq__(self, value: object, /) -> bool: ...
    if sys.version_info >= (3, 12):
        def __buffer__(self, flags: int, /) -> memoryview: ...

    def __copy__(self) -> FloatMatrix: ...
    def __deepcopy__(self, memo: object, /) -> FloatMatrix: ...
    def __reduce_ex__(self, protocol: SupportsIndex, /) -> tuple[Any, ...]: ...
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any: ...
    def __dlpack__(
        self,
        *,
        stream: None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> CapsuleType: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...
    def append(self, row: _Row, /) -> None: ...
    def copy(self) -> FloatMatrix: ...
    def count(self, value: object, /) -> int: ...
    def extend(self, rows: _Rows, /) -> None: ...
    def index(
        self, value: object, start: SupportsIndex = 0, stop: SupportsIndex = ..., /
    ) -> int: ...
    @overload
    def mean(
        self,
        axis: tuple[SupportsIndex, SupportsIndex] | None = None,
        *,
        dtype: _DType | None = None,
        out: None = None,
        keepdims: Literal[False] = False,
        where: _Where | None = True,
        skipna: bool = False,
        threads: SupportsIndex | None = None,
    ) -> float: ...
    @overload
    def mean(
        self,
        axis: SupportsIndex | tuple[SupportsIndex],
        *,
        dtype: _DType | None = None,
        out: None = None,
        keepdims: Literal[False] = False,
        where: _Where | None = True,
        skipna: bool = False,
        threads: SupportsIndex | None = None,
    ) -> FloatVector: ...
    @overload
    def mean(
        self,
        axis: SupportsIndex | tuple[SupportsIndex, ...] | None = None,
        *,
        dtype: _DType | None = None,
        out: None = None,
        keepdims: Literal[True],
        where: _Where | None = True,
        skipna: bool = False,
        threads: SupportsIndex | None = None,
    ) -> FloatMatrix: ...
    @overload
    def mean(
        self,
        axis: SupportsIndex | tuple[SupportsIndex, ...] | None = None,
        *,
        dtype: _DType | None = None,
        out: _Out,
        keepdims: bool = False,
        where: _Where | None = True,
        skipna: bool = False,
        threads: SupportsIndex | None = None,
    ) -> _Out: ...
    @overload
    def sum(
        self,
        axis: tuple[SupportsIndex, SupportsIndex] | None = None,
        *,
        dtype: _DType | None = None,
        out: None = None,
        keepdims: Literal[False] = False,
        initial: _Number = 0.0,
        where: _Where | None = True,
        skipna: bool = False,
        threads: SupportsIndex | None = None,
    ) -> float: ...
    @overload
    def sum(
        self,
        axis: SupportsIndex | tuple[SupportsIndex],
        *,
        dtype: _DType | None = None,
        out: None = None,
        keepdims: Literal[False] = False,
        initial: _Number = 0.0,
        where: _Where | None = True,
        skipna: bool = False,
        threads: SupportsIndex | None = None,
    ) -> FloatVector: ...
    @overload
    def sum(
        self,
        axis: SupportsIndex | tuple[SupportsIndex, ...] | None = None,
        *,
        dtype: _DType | None = None,
        out: None = None,
        keepdims: Literal[True],
        initial: _Number = 0.0,
        where: _Where | None = True,
        skipna: bool = False,
        threads: SupportsIndex | None = None,
    ) -> FloatMatrix: ...
    @overload
    def sum(
        self,
        axis: SupportsIndex | tuple[SupportsIndex, ...] | None = None,
        *,
        dtype: _DType | None = None,
        out: _Out,
        keepdims: bool = False,
        initial: _Number = 0.0,
        where: _Where | None = True,
        skipna: bool = False,
        threads: SupportsIndex | None = None,
    ) -> _Out: ...
    def tolist(self) -> list[list[float]]: ...

@final
class InternPoolInfo(
    structseq[int | None],
    tuple[int, int, int, int, int, int | None, int, int, int],
):
    __match_args__: Final = (
        "hits",
        "misses",
        "maxsize",
        "currsize",
        "bytes",
        "max_bytes",
        "evictions",
        "bypassed",
        "bytes_saved",
    )
    @property
    def hits(self) -> int: ...
    @property
    def misses(self) -> int: ...
    @property
    def maxsize(self) -> int: ...
    @property
    def currsize(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def max_bytes(self) -> int | None: ...
    @property
    def evictions(self) -> int: ...
    @property
    def bypassed(self) -> int: ...
    @property
    def bytes_saved(self) -> int: ...

@final
class DedupReport(structseq[int], tuple[int, int, int, int]):
    __match_args__: Final = ("containers", "strings", "replaced", "bytes_freed")
    @property
    def containers(self) -> int: ...
    @property
    def strings(self) -> int: ...
    @property
    def replaced(self) -> int: ...
    @property
    def bytes_freed(self) -> int: ...

@disjoint_base
class InternPool:
    def __new__(
        cls,
        max_entries: SupportsIndex = 16384,
        *,
        max_bytes: SupportsIndex | None = None,
        max_length: SupportsIndex | None = 1024,
        policy: Literal["s3fifo", "lru"] = "s3fifo",
        adaptive: bool = True,
    ) -> Self: ...
    pickle_contents: bool
    @property
    def max_entries(self) -> int: ...
    @property
    def max_bytes(self) -> int | None: ...
    @property
    def max_length(self) -> int | None: ...
    @property
    def policy(self) -> Literal["s3fifo", "lru"]: ...
    @property
    def adaptive(self) -> bool: ...
    def intern(self, string: str, /) -> str: ...
    def __call__(self, string: str, /) -> str: ...
    @overload
    def get(self, string: str, default: None = None, /) -> str | None: ...
    @overload
    def get(self, string: str, default: _T, /) -> str | _T: ...
    def discard(self, string: str, /) -> bool: ...
    def pin(self, string: str, /) -> str: ...
    def unpin(self, string: str, /) -> bool: ...
    def intern_many(self, iterable: Iterable[_T], /) -> list[_T]: ...
    def intern_list(self, list: list[Any], /) -> int: ...
    def dedup(
        self, obj: object, /, *, keys: bool = True, values: bool = True
    ) -> DedupReport: ...
    def object_pairs_hook(self, pairs: list[tuple[_T, _S]], /) -> dict[_T, _S]: ...
    def json_loads(self, s: str | bytes | bytearray, /, **options: Any) -> Any: ...
    def csv_reader(
        self,
        file: Iterable[str],
        /,
        dialect: str | Dialect | type[Dialect] = "excel",
        **format: Any,
    ) -> InternedRows: ...
    def csv_dict_reader(
        self, file: Iterable[str], /, *args: Any, **options: Any
    ) -> DictReader[Any]: ...
    def logging_filter(self, /, name: str = "") -> InternFilter: ...
    def map(self, iterable: Iterable[_T], /) -> Iterator[_T]: ...
    def intern_series(self, series: _T, /) -> _T: ...
    def _intern_item(self, item: _T, /) -> _T: ...
    def _intern_value(self, value: _T, but: dict[int, Any], /) -> _T: ...
    def _scan_json(self, text: object, /) -> Any: ...
    def intern_utf8(
        self,
        buffer: Buffer,
        start: SupportsIndex | None = 0,
        stop: SupportsIndex | None = None,
        errors: str = "strict",
    ) -> str: ...
    def split(
        self,
        text: str | Buffer,
        sep: str | Buffer | None = None,
        maxsplit: SupportsIndex = -1,
    ) -> list[str]: ...
    def split_lines(
        self, text: str | Buffer, keepends: object = False
    ) -> list[str]: ...
    def clear(self) -> None: ...
    def cache_clear(self) -> None: ...
    def cache_info(self) -> InternPoolInfo: ...
    def resize(
        self,
        max_entries: SupportsIndex | EllipsisType = ...,
        max_bytes: SupportsIndex | EllipsisType | None = ...,
    ) -> None: ...
    def trim(
        self, *, unused_only: bool = False, max_bytes: SupportsIndex | None = None
    ) -> int: ...
    def live_saved(self) -> int: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, exc_type: object, exc_value: object, traceback: object, /
    ) -> None: ...
    def __contains__(self, string: str, /) -> bool: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[str]: ...
    def __sizeof__(self) -> int: ...
    def __reduce__(self) -> tuple[object, ...]: ...
    def _debug_validate(self) -> None: ...
    def _debug_probes(self) -> int: ...
    def _debug_hash_bits(self, bits: int, /) -> None: ...

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
        native: bool = True,
    ) -> LazyMapIterator[_T_co]: ...
    @overload
    def __new__(
        cls,
        func: Callable[[_T1], _T_co],
        iterable: Iterable[_T1],
        /,
        *,
        strict: bool = False,
        native: bool = True,
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
        native: bool = True,
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
        native: bool = True,
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
        native: bool = True,
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
        native: bool = True,
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
        native: bool = True,
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
    def map(
        self, func: Callable[[_T_co], _S], /, *, native: bool = True
    ) -> LazyMap[_S]: ...
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
    @property
    def native(self) -> bool: ...
    @property
    def native_reason(self) -> str | None: ...
    @overload
    def sum(self: LazyMap[bool] | LazyMap[int], start: int = 0) -> int: ...
    @overload
    def sum(self: LazyMap[float], start: float = 0) -> float: ...
    @overload
    def sum(self, start: Any = 0) -> Any: ...
    @overload
    def mean(self: LazyMap[float]) -> float: ...
    @overload
    def mean(self) -> Any: ...
    def min(self) -> _T_co: ...
    def max(self) -> _T_co: ...
    def any(self) -> bool: ...
    def all(self) -> bool: ...
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any: ...
    def __copy__(self) -> Self: ...
    def __class_getitem__(cls, item: Any, /) -> GenericAlias: ...

@disjoint_base
class LazyMapIterator(LazyMap[_T_co], Iterator[_T_co]):
    def __iter__(self) -> Self: ...
    def __next__(self) -> _T_co: ...
    def __length_hint__(self) -> int: ...
    def map(
        self, func: Callable[[_T_co], _S], /, *, native: bool = True
    ) -> LazyMapIterator[_S]: ...
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

def _compile(tape: tuple[int | float | str, ...], arguments: int, /) -> Any: ...
def _fill_lazymap(lazymap: LazyMap[Any], array: Any, /) -> bool: ...
def _set_operations(name: str, /) -> str: ...
def _set_short_pass(items: SupportsIndex, /) -> int: ...

@final
class MemoryInfo(
    structseq[int | None],
    tuple[
        int | None,
        int | None,
        int | None,
        int | None,
        int | None,
        int | None,
        int | None,
        int | None,
        int | None,
    ],
):
    __match_args__: Final = (
        "resident",
        "peak_resident",
        "private",
        "private_resident",
        "peak_private",
        "page_faults",
        "system_total",
        "system_available",
        "limit",
    )
    @property
    def resident(self) -> int | None: ...
    @property
    def peak_resident(self) -> int | None: ...
    @property
    def private(self) -> int | None: ...
    @property
    def private_resident(self) -> int | None: ...
    @property
    def peak_private(self) -> int | None: ...
    @property
    def page_faults(self) -> int | None: ...
    @property
    def system_total(self) -> int | None: ...
    @property
    def system_available(self) -> int | None: ...
    @property
    def limit(self) -> int | None: ...

def memory_info() -> MemoryInfo: ...
def release() -> tuple[MemoryInfo, MemoryInfo]: ...
def trim_working_set() -> tuple[MemoryInfo, MemoryInfo]: ...
def limit_memory(bytes: SupportsIndex | None, /) -> None: ...
def memory_pressure() -> float | None: ...
def _resident() -> int | None: ...
def _compact() -> None: ...
def _malloc_bytes() -> tuple[int | None, int | None]: ...
def _pymalloc_bytes() -> tuple[int, int] | None: ...
def _scan_heap(
    roots: tuple[tuple[str | CodeType, object, bool], ...],
    everything: bool,
    min_saving: int = 0,
    /,
) -> tuple[
    list[tuple[str, tuple[tuple[str, Any], ...], type, Any, *tuple[Any, ...]]],
    int,
    int,
]: ...
def _is_traced() -> bool: ...
def _ask_main_thread(callable: Callable[[], object], /) -> bool: ...
def _elsewhere(
    start_new_thread: Callable[[Callable[[], object], tuple[()]], object],
    patience: float,
    callable: Callable[[list[_T], int], object],
    items: list[_T],
    /,
) -> bool: ...
def _forget_waiting() -> None: ...
def _wait_for_thread(native_id: int, /) -> None: ...
def _object_bytes(obj: object, /) -> int: ...
def _in_hand(frame: FrameType, /) -> tuple[int, ...]: ...
def _variables(generator: object, /) -> dict[str, Any]: ...
