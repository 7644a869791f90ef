"""The C sources keep to the project's rules: those that a text search can check.

The layout that clang-format gives is taken for granted: a function's name begins
a line, its body is between a "{" and a "}" that do too.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
FILES = sorted(path.relative_to(SOURCE) for path in SOURCE.rglob("*.[ch]"))

LONGEST_FUNCTION = 60
# "file: function": why it may be longer.
LONG_FUNCTIONS: dict[str, str] = {}

COMPILER = r"__GNUC__|__clang__|_MSC_VER|__MINGW|PY_VERSION_HEX|PY_MAJOR|PY_MINOR"
GNU = re.compile(
    r"__attribute__|__builtin_\w+|__int128|__u?int128_t|\b__?typeof(__)?\b|\(\{"
    r"|\b(__)?asm(__)?\b|__extension__|__PRETTY_FUNCTION__|\bcase .+ \.\.\. "
    r"|\?:|##__VA_ARGS__|__thread\b|\bssize_t\b|\balloca\b"
)


def without_comments(text: str) -> str:
    """The text with comments and literals blanked out, line for line."""

    def blank(match: re.Match[str]) -> str:
        found = match[0]
        if found.startswith("/"):
            return re.sub(r"[^\n]", " ", found)
        return found[0] + " " * (len(found) - 2) + found[-1]

    pattern = r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])+'"
    return re.sub(pattern, blank, text, flags=re.DOTALL)


def functions(code: str) -> Iterator[tuple[str, str, int]]:
    """Name, whole head and length in lines of each function defined."""
    head = r"^((?:[A-Za-z_][^\n;{}#=]*\n)?)^(\w+)\((?:(?!\n\n)[^;{}])*\)\n\{\n(.*?)^\}"
    for match in re.finditer(head, code, re.DOTALL | re.MULTILINE):
        body = match[0][len(match[1]) :]
        yield match[2], match[1].strip(), body.count("\n") + 1


def header_comment(name: str, text: str, code: str) -> Iterator[str]:
    own = Path(name).name
    if not text.startswith(f"/* {own} - "):
        yield f"does not begin with /* {own} - (what it is for)"


def is_template(text: str) -> bool:
    """Whether a header is part of whichever file includes it, as it must say."""
    return "No include guard." in text


def include_guard(name: str, text: str, code: str) -> Iterator[str]:
    guard = re.search(r"^#ifndef (\w+)\n#define \1\n", code, re.MULTILINE)
    if name.endswith(".h") and not guard and not is_template(text):
        yield "has no include guard"
    if guard and not guard[1].startswith("MO_"):
        yield f"its include guard {guard[1]} is not MO_..."


def names(name: str, text: str, code: str) -> Iterator[str]:
    """What other files may see begins with mo_ or MO_; CPython's do in compat.h."""
    door = name.endswith(".h") and not is_template(text)
    for function, head, _ in functions(code):
        inside = "static" in head.split() or "PyMODINIT_FUNC" in head
        shim = name == "compat.h" and function.startswith("Py")
        if (door or not inside) and not function.startswith("mo_") and not shim:
            yield f"{function}() is for other files and is not mo_..."
    typedefs = re.findall(
        r"^\} (\w+);|^typedef .*?(\w+)(?:\)\(.*\))?;", code, re.MULTILINE
    )
    for pair in typedefs if door else ():
        if not re.match(r"mo_|\w+Object$", "".join(pair)):
            yield f"type {''.join(pair)} is for other files and is not mo_..."
    for macro in re.findall(r"^# *define (\w+)", code, re.MULTILINE) if door else ():
        # View_CAST(op): a cast is named for its type, as CPython's are.
        if not re.match(r"MO_|PY_SSIZE_T_CLEAN$|[A-Z][a-z]\w*_CAST$", macro):
            yield f"macro {macro} is not MO_..."


def compilers(name: str, text: str, code: str) -> Iterator[str]:
    """No other file than compat.h knows compilers or CPython's versions."""
    if name == "compat.h":
        return
    for match in GNU.finditer(code):
        yield f"{match[0]} is GNU C: wrap it in compat.h"
    for line in re.findall(rf"^# *(?:el)?if.*(?:{COMPILER}).*", code, re.MULTILINE):
        yield f"{line}: only compat.h may ask"


def twins(name: str, text: str, code: str) -> Iterator[str]:
    """What is defined for one compiler is defined for the others too."""
    opened: list[tuple[str, bool]] = []
    for line in re.findall(r"^# *(?:if|elif|else|endif).*", code, re.MULTILINE):
        words = line.replace("#", " ").split()
        if words[0].startswith("if"):
            opened.append((line, False))
        elif words[0] in ("elif", "else"):
            opened[-1] = (opened[-1][0], True)
        else:
            condition, has_other = opened.pop()
            asks = re.search(
                r"(?<!!)\bdefined\((__GNUC__|__clang__|_MSC_VER)\)", condition
            )
            if asks and not has_other:
                yield f"{condition}: no #else or #elif for other compilers"
    assert not opened, "#if without #endif"


def lengths(name: str, text: str, code: str) -> Iterator[str]:
    for function, _, lines in functions(code):
        if lines > LONGEST_FUNCTION and f"{name}: {function}" not in LONG_FUNCTIONS:
            yield f"{function}() has {lines} lines, more than {LONGEST_FUNCTION}"


def cleared_errors(name: str, text: str, code: str) -> Iterator[str]:
    """Whoever drops an exception says why: on the line or up to three above."""
    lines, original = code.splitlines(), text.splitlines()
    for i, line in enumerate(lines):
        if "PyErr_Clear()" in line:
            near = original[max(0, i - 3) : i + 1]
            if not any("/*" in near_line or "*/" in near_line for near_line in near):
                yield f"line {i + 1}: PyErr_Clear() without a comment that says why"


def windows(name: str, text: str, code: str) -> Iterator[str]:
    """What works elsewhere and not there."""
    if "PyObject_HashNotImplemented" in code:
        # CPython compares addresses, and a DLL sees that of its own import stub.
        yield "PyObject_HashNotImplemented: define tp_richcompare and no tp_hash"
    for call in re.findall(r"\b(?:sn?printf|fprintf)\([^;]*?%z[^;]*;", text):
        yield f"{call}: %z is not everywhere; use PyOS_snprintf with %lld"


RULES: list[Callable[[str, str, str], Iterator[str]]] = [
    header_comment,
    include_guard,
    names,
    compilers,
    twins,
    lengths,
    cleared_errors,
    windows,
]


def test_there_are_sources() -> None:
    assert Path("module.c") in FILES
    assert len(FILES) > 50


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule(rule: Callable[[str, str, str], Iterator[str]]) -> None:
    faults = []
    for path in FILES:
        text = (SOURCE / path).read_text(encoding="utf-8")
        found = rule(path.as_posix(), text, without_comments(text))
        faults += [f"src/{path.as_posix()}: {fault}" for fault in found]
    assert faults == []


def test_every_function_is_found() -> None:
    defined = set()
    for path in FILES:
        code = without_comments((SOURCE / path).read_text(encoding="utf-8"))
        found = [function for function, _, _ in functions(code)]
        # In a macro of several lines no brace begins a line.
        assert len(found) == len(re.findall(r"^\{$", code, re.MULTILINE)), path
        defined.update(found)
    assert {"mo_accumulator_add", "PyInit__memopt", "lazymap_new"} <= defined


def test_exceptions_are_used() -> None:
    for entry in LONG_FUNCTIONS:
        file, function = entry.split(": ")
        code = without_comments((SOURCE / file).read_text(encoding="utf-8"))
        (lines,) = (n for name, _, n in functions(code) if name == function)
        assert lines > LONGEST_FUNCTION, f"{entry} is short enough"


LONG_BODY = "".join("    i++;\n" for _ in range(LONGEST_FUNCTION))


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("a.c", "/* b.c - x */\n", "does not begin with"),
        ("a.h", "/* a.h - x */\nint\nmo_f(void);\n", "no include guard"),
        ("a.h", "#ifndef A_H\n#define A_H\n#endif\n", "include guard A_H"),
        ("a.c", "int\nf(void)\n{\n}\n", "f() is for other files"),
        ("a.h", "static inline int\nf(void)\n{\n}\n", "f() is for other files"),
        ("a.h", "#define LIMIT 3\n", "macro LIMIT"),
        ("a.c", "int x = __builtin_clz(3);\n", "__builtin_clz is GNU C"),
        ("a.c", "#if defined(_MSC_VER)\n#endif\n", "only compat.h may ask"),
        ("a.c", "# if PY_VERSION_HEX < 3\n# endif\n", "only compat.h may ask"),
        ("compat.h", "#if defined(__GNUC__)\nint x;\n#endif\n", "no #else"),
        ("compat.h", "#if defined(_MSC_VER)\nint x;\n#endif\n", "no #else"),
        ("a.h", "typedef struct {\n    int a;\n} pair;\n", "type pair is"),
        ("a.h", "typedef int (*adder)(int, int);\n", "type adder is"),
        ("a.c", f"static int\nf(void)\n{{\n{LONG_BODY}}}\n", "f() has 63 lines"),
        ("a.c", "    f();\n    PyErr_Clear();\n", "line 2: PyErr_Clear()"),
        ("a.c", "x = PyObject_HashNotImplemented;\n", "tp_richcompare"),
        ("a.c", 'printf("%s"); sprintf(s, "%zd", n);\n', "%z is not everywhere"),
    ],
)
def test_faults_are_found(name: str, text: str, fault: str) -> None:
    code = without_comments(text)
    found = [message for rule in RULES for message in rule(name, text, code)]
    assert any(fault in message for message in found), found


def test_comments_and_literals_are_no_code() -> None:
    text = '/* __builtin_x */ char *s = "__attribute__"; // asm\nint c = \'"\';\n'
    code = without_comments(text)
    assert "__" not in code
    assert "asm" not in code
    assert code.count("\n") == 2
