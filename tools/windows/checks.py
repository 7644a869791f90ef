"""What must hold of the wheel and of the .pyd in it, read from the files."""

import base64
import csv
import hashlib
import re
import subprocess
import sys
import zipfile
from pathlib import Path

from tools.windows.mingw import PREFIX

# A .pyd may need what Windows 10 and CPython bring, and nothing else.
ALLOWED_DLLS = re.compile(r"kernel32|api-ms-win-crt-\w+-l1-1-0|ucrtbase|python3\d\d")

# Windows aligns the stack to 16 bytes, and some builds of gcc assume 32 or 64
# (GCC bug 54412): an aligned AVX move to or from the stack crashes, now and then.
STACK_MOVE = re.compile(r"\svmov(aps|apd|dqa\d*)\s[^#]*\(%r[sb]p[^#]*")


def check_wheel(wheel: Path, tag: tuple[str, str, str], scratch: Path) -> None:
    """Raise AssertionError, with the reason, if the wheel is not sound."""
    version, *found = wheel.stem.split("-")[1:]
    assert tuple(found) == tag, f"the wheel's tag is {found}"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(scratch)
    information = scratch / f"memopt-{version}.dist-info"
    metadata = (information / "WHEEL").read_text(encoding="utf-8").splitlines()
    assert f"Tag: {'-'.join(tag)}" in metadata, metadata
    assert "Root-Is-Purelib: false" in metadata, metadata
    _check_record(scratch, information)
    (pyd,) = scratch.rglob("*.pyd")
    assert pyd.name == f"_memopt.{tag[1]}-{tag[2]}.pyd", pyd.name
    _check_imports(pyd)
    _check_stack_moves(pyd)
    _check_delvewheel(wheel)


def _check_record(scratch: Path, information: Path) -> None:
    with (information / "RECORD").open(encoding="utf-8", newline="") as record:
        listed = {name: (digest, size) for name, digest, size in csv.reader(record)}
    files = {
        path.relative_to(scratch).as_posix(): path
        for path in scratch.rglob("*")
        if path.is_file()
    }
    assert listed.keys() == files.keys(), listed.keys() ^ files.keys()
    for name, (digest, size) in listed.items():
        if name.endswith(".dist-info/RECORD"):
            continue
        content = files[name].read_bytes()
        hashed = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
        assert digest == "sha256=" + hashed.decode().rstrip("="), name
        assert int(size) == len(content), name


def _objdump(*arguments: str | Path) -> str:
    command = [PREFIX + "objdump", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _check_imports(pyd: Path) -> None:
    dlls = re.findall(r"DLL Name: (.+)\.dll", _objdump("-p", pyd), re.IGNORECASE)
    print(f"{pyd.name} needs {', '.join(sorted(dlls))}")
    foreign = [dll for dll in dlls if not ALLOWED_DLLS.fullmatch(dll.lower())]
    assert dlls, "objdump names no DLL"
    assert not foreign, f"users do not have {foreign}"
    assert any(dll.lower().startswith("python3") for dll in dlls), dlls


# What the search must find and must not, or it would prove nothing.
UNSAFE = """
  10: vmovaps %ymm6,0x20(%rsp)
  18: vmovdqa64 -0x40(%rbp),%zmm17{%k1}
"""
SAFE = """
  10: vmovups %ymm6,0x20(%rsp)
  18: vmovaps %xmm6,0x20(%rsp)
  20: vmovapd 0x1234(%rip),%ymm0        # 0x2000 <table(%rsp)>
"""


def stack_moves(disassembly: str) -> list[str]:
    """The aligned moves between the stack and a YMM or ZMM register."""
    moves = [line for line in disassembly.splitlines() if STACK_MOVE.search(line)]
    return [line for line in moves if re.search(r"%[yz]mm", line)]


def _check_stack_moves(pyd: Path) -> None:
    assert len(stack_moves(UNSAFE)) == 2
    assert not stack_moves(SAFE)
    disassembly = _objdump("-d", "--no-show-raw-insn", pyd)
    wide = len(re.findall(r"\sv\w+ [^#\n]*%[yz]mm", disassembly))
    found = stack_moves(disassembly)
    print(f"{wide} instructions with YMM or ZMM registers, {len(found)} unsafe moves")
    assert not found, "\n".join(found)


def _check_delvewheel(wheel: Path) -> None:
    command = [sys.executable, "-m", "delvewheel", "show", str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stdout + done.stderr)
    assert done.returncode == 0, "delvewheel failed"
    copied = re.search(r"will be copied into the wheel\.\n\s*(.*)", done.stdout)
    assert copied is None or copied[1] == "None", copied
