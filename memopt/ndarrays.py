"""LazyMap.__array__: what numpy.array makes of a list of all values.

Values that are all int, float or bool are written into the array by blocks;
nothing else is known better here than NumPy knows it, so it gets the list.
"""

from typing import Any

import numpy as np

from memopt import LazyMap, _memopt


def _filled(lazy: LazyMap[Any], dtype: Any) -> Any:
    """The array, if all values turn out to be of its type; else None."""
    first = lazy[0]
    if not isinstance(first, np.generic) and type(first) not in (int, float, bool):
        return None
    array = np.empty(len(lazy), type(first))
    if dtype is not None and np.dtype(dtype) != array.dtype:
        return None
    # 8 bytes or a bool: as blocks compute.  NumPy's own formats are single letters.
    if array.dtype.char not in "lqd?":
        return None
    return array if _memopt._fill_lazymap(lazy, array) else None


def from_lazymap(lazy: LazyMap[Any], dtype: Any, copy: bool | None) -> Any:
    if copy is False:
        raise ValueError(
            "Unable to avoid copy while creating an array as requested: a LazyMap "
            "computes its values"
        )
    array = _filled(lazy, dtype) if lazy.native and len(lazy) > 0 else None
    return np.array(lazy.to_list(), dtype) if array is None else array
