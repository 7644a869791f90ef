"""Which callables are plain arithmetic, so that no call per item is needed.

``recognise`` looks at what a callable *is*, never at what it does: it calls
nothing.  A Python function is read instruction by instruction with ``dis``; a
single instruction that is not on the list below, a free variable, a global
name or a default value, and the answer is no.  What remains is one expression
of the arguments and of int and float constants.  The tapes that are made of
it are described in src/lazymap/program.h.
"""

import dis
import functools
import math
import operator
import sys
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

from memopt import _memopt
from memopt.expressions import Expression, Tape

Answer = tuple[Any, Any] | str
"""(program, guard), or the reason why there is none."""

# Instructions that do nothing that a value depends on.
_IGNORED = {"RESUME", "NOP"}
_LOADS = {"LOAD_FAST", "LOAD_FAST_LOAD_FAST"}
_LOADS |= {"LOAD_FAST_BORROW", "LOAD_FAST_BORROW_LOAD_FAST_BORROW"}  # from 3.14 on
_CONSTANTS = {"LOAD_CONST", "LOAD_SMALL_INT"}
if sys.version_info >= (3, 15):  # for -1; what 3.14 loads so is never a number
    _CONSTANTS.add("LOAD_COMMON_CONSTANT")
_UNARY = {
    "UNARY_NEGATIVE": "neg",
    "UNARY_POSITIVE": "pos",
    "UNARY_INVERT": "invert",
    "UNARY_NOT": "not",
    "TO_BOOL": "bool",  # of `not x`, and all that 3.13 leaves of `not not x`
}
_INTRINSICS = {"INTRINSIC_UNARY_POSITIVE": "pos"}
_BINARY = {"+", "-", "*", "/", "//", "%", "**", "<<", ">>", "&", "|", "^"}
_COMPARISONS = {"==", "!=", "<", "<=", ">", ">="}

# Of code objects: inspect's names for them are dis's, and it is large.
_FLAGS = {name: flag for flag, name in dis.COMPILER_FLAG_NAMES.items()}
_UNWANTED_FLAGS = {
    _FLAGS["VARARGS"]: "it takes *args",
    _FLAGS["VARKEYWORDS"]: "it takes **kwargs",
    _FLAGS["GENERATOR"]: "it is a generator function",
    _FLAGS["COROUTINE"]: "it is a coroutine function",
    _FLAGS["ASYNC_GENERATOR"]: "it is a generator function",
}

# Builtins, by identity: those of one argument, then of two.
_UNARY_BUILTINS: dict[Any, str] = {
    abs: "abs",
    bool: "bool",
    float: "float",
    int: "int",
    round: "round",
    math.ceil: "ceil",
    math.fabs: "fabs",
    math.floor: "floor",
    math.sqrt: "sqrt",
    math.trunc: "trunc",
    operator.abs: "abs",
    operator.inv: "invert",
    operator.neg: "neg",
    operator.not_: "not",
    operator.pos: "pos",
    operator.truth: "bool",
}
_BINARY_BUILTINS: dict[Any, str] = {
    operator.add: "+",
    operator.and_: "&",
    operator.eq: "==",
    operator.floordiv: "//",
    operator.ge: ">=",
    operator.gt: ">",
    operator.le: "<=",
    operator.lshift: "<<",
    operator.lt: "<",
    operator.mod: "%",
    operator.mul: "*",
    operator.ne: "!=",
    operator.or_: "|",
    operator.pow: "**",
    operator.rshift: ">>",
    operator.sub: "-",
    operator.truediv: "/",
    operator.xor: "^",
}

# Methods of a number, such as (2).__mul__: the operation, and whether the
# number is on its right.
_METHODS: dict[str, tuple[str, bool]] = {
    f"__{prefix}{name}__": (symbol, bool(prefix))
    for name, symbol in {
        "add": "+",
        "and": "&",
        "floordiv": "//",
        "lshift": "<<",
        "mod": "%",
        "mul": "*",
        "or": "|",
        "pow": "**",
        "rshift": ">>",
        "sub": "-",
        "truediv": "/",
        "xor": "^",
    }.items()
    for prefix in ("", "r")
}
_METHODS |= {
    f"__{name}__": (symbol, False)
    for name, symbol in (
        ("eq", "=="),
        ("ne", "!="),
        ("lt", "<"),
        ("le", "<="),
        ("gt", ">"),
        ("ge", ">="),
    )
}
_METHOD_WRAPPER = type((2).__mul__)


class _RefusedError(Exception):
    """Says why a callable is none of ours."""


def _number(value: object) -> int | float:
    if type(value) is int or type(value) is float:
        return value
    raise _RefusedError(f"{value!r:.50} is no int or float")


# Functions


def _instruction(instruction: dis.Instruction, position: dict[str, int]) -> Tape:
    """What one instruction adds to the tape."""
    name, value = instruction.opname, instruction.argval
    if name in _IGNORED:
        return ()
    if name in _LOADS:
        names = value if isinstance(value, tuple) else (value,)
        return tuple(f"x{position[argument]}" for argument in names)
    if name in _CONSTANTS:
        return (_number(value),)
    if name in _UNARY:
        return (_UNARY[name],)
    if name == "CALL_INTRINSIC_1" and instruction.argrepr in _INTRINSICS:
        return (_INTRINSICS[instruction.argrepr],)
    if name == "BINARY_OP" and instruction.argrepr in _BINARY:
        return (instruction.argrepr,)
    if name == "COMPARE_OP" and value in _COMPARISONS:
        # One that is also made a bool has that in its argrepr, from 3.13 on.
        return (value,)
    raise _RefusedError(f"{name} {instruction.argrepr}".strip() + " is not arithmetic")


def _tape_of_code(code: CodeType) -> Tape:
    for flag, reason in _UNWANTED_FLAGS.items():
        if code.co_flags & flag:
            raise _RefusedError(reason)
    if code.co_kwonlyargcount:
        raise _RefusedError("it takes keyword-only arguments")
    if code.co_freevars or code.co_cellvars:
        raise _RefusedError("it uses variables of an enclosing function")
    if code.co_exceptiontable:
        raise _RefusedError("it handles exceptions")
    position = {name: i for i, name in enumerate(code.co_varnames)}
    if len(position) > code.co_argcount:
        raise _RefusedError("it has local variables")
    tape: Tape = ()
    instructions = dis.get_instructions(code)
    for instruction in instructions:
        if instruction.opname == "RETURN_CONST":
            tape += (_number(instruction.argval),)
            break
        if instruction.opname == "RETURN_VALUE":
            break
        tape += _instruction(instruction, position)
    if next(instructions, None) is not None:
        raise _RefusedError("it has more than one way through")
    return tape


def _program(tape: Tape, arguments: int) -> Any:
    if len(tape) == 1:
        raise _RefusedError("it computes nothing")
    try:
        return _memopt._compile(tape, arguments)
    except OverflowError as error:
        raise _RefusedError(str(error)) from None


def _function(function: FunctionType, arguments: int) -> Answer:
    code = function.__code__
    if function.__defaults__ or function.__kwdefaults__:
        raise _RefusedError("it has default values")
    if code.co_argcount != arguments:
        raise _RefusedError(f"it does not take {arguments} arguments")
    return _program(_tape_of_code(code), arguments), code


# Other callables


def _partial(function: Any, arguments: int) -> Answer:
    """operator.mul with its first argument given."""
    func, args = function.func, function.args
    symbol = _BINARY_BUILTINS.get(func) if _is_hashable(func) else None
    if symbol is None or len(args) != 1 or function.keywords or arguments != 1:
        raise _RefusedError("only operator's functions with one number are partials")
    return _program((_number(args[0]), "x0", symbol), 1), (func, args)


def _method(method: Any, arguments: int) -> Answer:
    number = _number(method.__self__)
    symbol, reflected = _METHODS.get(method.__name__, ("", False))
    if not symbol or arguments != 1:
        raise _RefusedError(f"{method.__name__} is not arithmetic")
    # int's methods do not take floats: they return NotImplemented.
    argument = "i0" if type(number) is int else "x0"
    tape = (argument, number) if reflected else (number, argument)
    return _program((*tape, symbol), 1), None


def _is_hashable(value: object) -> bool:
    return type(value) in (type(abs), type, FunctionType)


def _recognised(function: Any, arguments: int) -> Answer:
    kind = type(function)
    if kind is FunctionType:
        return _function(function, arguments)
    if kind is Expression:
        if function._inputs != arguments:
            raise _RefusedError(f"it does not take {arguments} arguments")
        return _program(function._tape, arguments), None
    if kind is functools.partial:
        return _partial(function, arguments)
    if kind is _METHOD_WRAPPER:
        return _method(function, arguments)
    table = {1: _UNARY_BUILTINS, 2: _BINARY_BUILTINS}.get(arguments, {})
    if _is_hashable(function) and function in table:
        names = tuple(f"x{i}" for i in range(arguments))
        return _program((*names, table[function]), arguments), None
    raise _RefusedError("it is not a Python function, nor a builtin that computes")


def recognise(function: Callable[..., Any], arguments: int) -> Answer:
    """The program of a callable that gets so many arguments, and its guard.

    The program does to exact ints and floats what the callable does, as long
    as the callable's guard is what it is now (see src/lazymap/recognise.h);
    None guards what cannot change.  A str says why there is no program.  The
    caller keeps answers: for a function without defaults they depend on its
    code alone.
    """
    try:
        return _recognised(function, arguments)
    except _RefusedError as refused:
        return str(refused)
