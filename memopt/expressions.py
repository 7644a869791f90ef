"""Arithmetic written with placeholders: ``X * 2 + 1`` is a function of X.

An expression is callable like the lambda it stands for, and it can be pickled
and printed, which a lambda cannot.
"""

from __future__ import annotations

import math

TYPE_CHECKING = False  # typing is slow to import
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

Tape = tuple[int | float | str, ...]
"""An expression in postfix order; see src/lazymap/program.h."""

_PRECEDENCE = {
    "**": 9,
    "*": 7,
    "/": 7,
    "//": 7,
    "%": 7,
    "+": 6,
    "-": 6,
    "<<": 5,
    ">>": 5,
    "&": 4,
    "^": 3,
    "|": 2,
    "==": 1,
    "!=": 1,
    "<": 1,
    "<=": 1,
    ">": 1,
    ">=": 1,
}
_PREFIXES = {"neg": "-", "pos": "+", "invert": "~"}
_PREFIX_PRECEDENCE = 8
_ATOM = 10

# Methods named like the function of one argument that they stand for.
_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "abs": abs,
    "bool": bool,
    "ceil": math.ceil,
    "fabs": math.fabs,
    "float": float,
    "floor": math.floor,
    "int": int,
    "round": round,
    "sqrt": math.sqrt,
    "trunc": math.trunc,
}
_INPUTS = ("X", "Y", "Z")

# How many operands each str of a tape takes.
_OPERANDS = (
    {f"x{i}": 0 for i in range(len(_INPUTS))}
    | dict.fromkeys(_FUNCTIONS, 1)
    | dict.fromkeys(_PREFIXES, 1)
    | dict.fromkeys(_PRECEDENCE, 2)
    | {"where": 3}
)


def _where(condition: str, a: str, b: str) -> str:
    return f"({a} if {condition} else {b})"


def _text(tape: Tape, constant: Callable[[int | float], str], source: bool) -> str:
    """The tape as Python; as source code or, for people, as it was written."""
    stack: list[tuple[str, int]] = []  # and how tightly each holds together

    def operand(least: int) -> str:
        text, precedence = stack.pop()
        return text if precedence >= least else f"({text})"

    for item in tape:
        if not isinstance(item, str):
            text = constant(item)
            stack.append((text, _PREFIX_PRECEDENCE if text[0] == "-" else _ATOM))
        elif item[0] in "x" and item[1:].isdigit():
            stack.append((_INPUTS[int(item[1:])], _ATOM))
        elif item in _PRECEDENCE:
            own = _PRECEDENCE[item]
            # Comparisons would chain, and ** groups from the right.
            right = operand(own + (item != "**"))
            left = operand(own + (item == "**" or own == 1))
            stack.append((f"{left} {item} {right}", own))
        elif item in _PREFIXES:
            text = _PREFIXES[item] + operand(_PREFIX_PRECEDENCE)
            stack.append((text, _PREFIX_PRECEDENCE))
        elif item == "where":
            b, a, condition = operand(0), operand(0), operand(0)
            if source:
                stack.append((_where(condition, f"({a})", f"({b})"), _ATOM))
            else:
                stack.append((f"where({condition}, {a}, {b})", _ATOM))
        elif source or item in ("abs", "round"):
            stack.append((f"{item}({operand(0)})", _ATOM))
        else:
            stack.append((f"{operand(_ATOM)}.{item}()", _ATOM))
    return stack[0][0]


def _as_function(tape: Tape, inputs: int) -> Callable[..., Any]:
    """The Python function that the tape describes."""
    constants: dict[str, Any] = {}

    def constant(value: int | float) -> str:
        name = f"c{len(constants)}"
        constants[name] = value
        return name

    arguments = ", ".join(_INPUTS[:inputs])
    text = f"lambda {arguments}, /: {_text(tape, constant, source=True)}"
    function: Callable[..., Any] = eval(text, {**_FUNCTIONS, **constants})
    return function


def _tape_of(operand: object) -> Tape | None:
    if type(operand) is Expression:
        return operand._tape
    if type(operand) is int or type(operand) is float:
        return (operand,)
    return None


def _binary(symbol: str) -> Callable[[Expression, object], Expression]:
    def method(self: Expression, other: object) -> Expression:
        tape = _tape_of(other)
        return NotImplemented if tape is None else _make(*self._tape, *tape, symbol)

    return method


def _reflected(symbol: str) -> Callable[[Expression, object], Expression]:
    def method(self: Expression, other: object) -> Expression:
        tape = _tape_of(other)
        return NotImplemented if tape is None else _make(*tape, *self._tape, symbol)

    return method


def _unary(name: str) -> Callable[[Expression], Expression]:
    def method(self: Expression) -> Expression:
        return _make(*self._tape, name)

    method.__doc__ = f"The expression {name}(value)."
    return method


class Expression:
    """What ``memopt.X`` is, and what arithmetic with it makes.

    ``X * 2 + 1`` is a function of one argument and can be given to LazyMap
    or called.  Its operators are those of int and float; abs(), round(),
    math.floor(), math.ceil() and math.trunc() take it, and its methods
    ``sqrt()``, ``float()``, ``int()``, ``bool()`` and ``fabs()`` stand for the
    functions of these names.  With ``Y`` or ``Z`` it takes two or three
    arguments; ``memopt.where`` chooses.

    Whatever needs its value at once is a TypeError, as it has none:
    ``if X > 0``, ``1 < X < 5``, ``X in list``, ``for item in X``, f-strings
    with a format.  Expressions are equal to none but themselves, since == makes
    one more; they are hashed by identity and pickle.
    """

    __module__ = "memopt"
    __slots__ = ("__weakref__", "_function", "_inputs", "_tape")
    __array_ufunc__ = None  # NumPy's scalars leave the operators to this class

    _tape: Tape
    _inputs: int
    _function: Callable[..., Any] | None

    def __init__(self) -> None:
        raise TypeError("expressions are made of memopt.X, as in X * 2 + 1")

    @property
    def __name__(self) -> str:
        return repr(self)

    def __call__(self, *arguments: Any) -> Any:
        if self._function is None:
            self._function = _as_function(self._tape, self._inputs)
        return self._function(*arguments)

    def __repr__(self) -> str:
        return _text(self._tape, repr, source=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self._tape,)

    def __copy__(self) -> Expression:
        return self

    def __deepcopy__(self, memo: object) -> Expression:
        return self

    __hash__ = object.__hash__

    __add__, __radd__ = _binary("+"), _reflected("+")
    __sub__, __rsub__ = _binary("-"), _reflected("-")
    __mul__, __rmul__ = _binary("*"), _reflected("*")
    __truediv__, __rtruediv__ = _binary("/"), _reflected("/")
    __floordiv__, __rfloordiv__ = _binary("//"), _reflected("//")
    __mod__, __rmod__ = _binary("%"), _reflected("%")
    __pow__, __rpow__ = _binary("**"), _reflected("**")
    __lshift__, __rlshift__ = _binary("<<"), _reflected("<<")
    __rshift__, __rrshift__ = _binary(">>"), _reflected(">>")
    __and__, __rand__ = _binary("&"), _reflected("&")
    __or__, __ror__ = _binary("|"), _reflected("|")
    __xor__, __rxor__ = _binary("^"), _reflected("^")
    __eq__ = _binary("==")  # type: ignore[assignment]
    __ne__ = _binary("!=")  # type: ignore[assignment]
    __lt__, __le__ = _binary("<"), _binary("<=")
    __gt__, __ge__ = _binary(">"), _binary(">=")
    __neg__, __pos__, __invert__ = _unary("neg"), _unary("pos"), _unary("invert")
    __abs__, __floor__, __ceil__ = _unary("abs"), _unary("floor"), _unary("ceil")
    __trunc__ = _unary("trunc")
    sqrt, fabs = _unary("sqrt"), _unary("fabs")
    float, int, bool = _unary("float"), _unary("int"), _unary("bool")

    def __round__(self, ndigits: None = None) -> Expression:
        if ndigits is not None:
            raise TypeError("an expression rounds to whole numbers only: round(X)")
        return _make(*self._tape, "round")

    def __bool__(self) -> NoReturn:
        raise TypeError(
            f"the truth of {self!r} is not known until it is called: use "
            "memopt.where(condition, a, b) for if, & for and, | for or, and "
            "(1 < X) & (X < 5) for 1 < X < 5"
        )

    def __iter__(self) -> NoReturn:
        raise TypeError(f"{self!r} is a function, and no iterable")

    def __contains__(self, item: object) -> NoReturn:
        raise TypeError(f"{self!r} is a function, and no container")

    def __float__(self) -> NoReturn:
        raise TypeError(f"{self!r} has no value yet: use X.float() or X.sqrt()")

    def __int__(self) -> NoReturn:
        raise TypeError(f"{self!r} has no value yet: use X.int()")

    def __index__(self) -> NoReturn:
        raise TypeError(f"{self!r} has no value yet, and cannot be an index")

    def __format__(self, specification: str) -> str:
        if specification:
            raise TypeError(f"{self!r} has no value yet that could be formatted")
        return repr(self)


def _make(*tape: Any) -> Expression:
    self = object.__new__(Expression)
    inputs = [int(item[1:]) for item in tape if str(item)[0] == "x"]
    self._tape = tape
    self._inputs = max(inputs, default=0) + 1
    self._function = None
    return self


def _restore(tape: Tape) -> Expression:
    """The expression of a pickle."""
    depth = 0
    for item in tape:
        if type(item) is str:
            if item not in _OPERANDS:
                raise ValueError("not the tape of an expression")
            depth -= _OPERANDS[item]
        elif type(item) is not int and type(item) is not float:
            raise TypeError("not the tape of an expression")
        if depth < 0:
            break
        depth += 1
    if depth != 1:
        raise ValueError("not the tape of an expression")
    return _make(*tape)


def where(condition: Any, a: Any, b: Any) -> Expression:
    """The expression ``a if condition else b``.

    At least one of the three must be an expression; the others may be int or
    float.  TypeError for anything else.

    >>> from memopt import LazyMap, X, where
    >>> LazyMap(where(X < 0, -X, X * 10), [-2, 3]).to_list()
    [2, 30]
    """
    tapes = [_tape_of(operand) for operand in (condition, a, b)]
    if Expression not in map(type, (condition, a, b)) or None in tapes:
        raise TypeError("where() takes expressions, ints and floats")
    return _make(*(item for tape in tapes for item in tape or ()), "where")


where.__module__ = "memopt"

X: Expression = _make("x0")
Y: Expression = _make("x1")
Z: Expression = _make("x2")
