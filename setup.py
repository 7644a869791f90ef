"""Build of the one extension module, memopt._memopt.

Everything else about the package is in pyproject.toml.  Switches, read from
the environment (any value but "" and "0" turns one on):

MEMOPT_DEBUG   assertions and structure validity checks, no optimisation
MEMOPT_ASAN    AddressSanitizer and UndefinedBehaviorSanitizer (gcc, clang)
MEMOPT_TSAN    ThreadSanitizer (gcc, clang)
MEMOPT_WERROR  compiler warnings are errors
"""

import os
import sys

import numpy
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

SYSTEM = {"win32": "windows", "darwin": "macos"}.get(sys.platform, "linux")

SOURCES = [
    "src/module.c",
    "src/exactsum/accumulator.c",
    "src/exactsum/boxed.c",
    "src/exactsum/buffer.c",
    "src/exactsum/dispatch.c",
    "src/exactsum/exactsum.c",
    "src/exactsum/few.c",
    "src/exactsum/fsum.c",
    "src/exactsum/items.c",
    "src/exactsum/kernel_avx2.c",
    "src/exactsum/kernel_avx512.c",
    "src/exactsum/kernel_baseline.c",
    "src/exactsum/ladder.c",
    "src/exactsum/layout.c",
    "src/exactsum/lines.c",
    "src/exactsum/parallel.c",
    "src/exactsum/progress.c",
    "src/exactsum/reader.c",
    "src/exactsum/serial.c",
    "src/exactsum/sum.c",
    "src/floatmatrix/arguments.c",
    "src/floatmatrix/buffers.c",
    "src/floatmatrix/compare.c",
    "src/floatmatrix/create.c",
    "src/floatmatrix/dlpack.c",
    "src/floatmatrix/exchange.c",
    "src/floatmatrix/floatmatrix.c",
    "src/floatmatrix/foreign.c",
    "src/floatmatrix/index.c",
    "src/floatmatrix/iterator.c",
    "src/floatmatrix/mask.c",
    "src/floatmatrix/mt19937.c",
    "src/floatmatrix/numpy.c",
    "src/floatmatrix/object.c",
    "src/floatmatrix/pickle.c",
    "src/floatmatrix/reduce.c",
    "src/floatmatrix/rows.c",
    "src/floatmatrix/storage.c",
    "src/floatmatrix/vector.c",
    "src/floatmatrix/view.c",
    "src/heap/allocator.c",
    "src/heap/block.c",
    "src/heap/duplicates.c",
    "src/heap/errand.c",
    "src/heap/findings.c",
    "src/heap/generator.c",
    "src/heap/heap.c",
    "src/heap/layout.c",
    "src/heap/marks.c",
    "src/heap/numbers.c",
    "src/heap/order.c",
    "src/heap/rows.c",
    "src/heap/scan.c",
    "src/heap/table.c",
    "src/internpool/admission.c",
    "src/internpool/arguments.c",
    "src/internpool/bulk.c",
    "src/internpool/contents.c",
    "src/internpool/decode.c",
    "src/internpool/dedup.c",
    "src/internpool/dedup_arrays.c",
    "src/internpool/dedup_deque.c",
    "src/internpool/dedup_dict.c",
    "src/internpool/dedup_object.c",
    "src/internpool/dedup_places.c",
    "src/internpool/dedup_tuple.c",
    "src/internpool/dedup_walk.c",
    "src/internpool/hash.c",
    "src/internpool/inspect.c",
    "src/internpool/internpool.c",
    "src/internpool/json.c",
    "src/internpool/lookup.c",
    "src/internpool/pickle.c",
    "src/internpool/policy.c",
    "src/internpool/pool.c",
    "src/internpool/queue.c",
    "src/internpool/seen.c",
    "src/internpool/shards.c",
    "src/internpool/split.c",
    "src/internpool/table.c",
    "src/internpool/utf8.c",
    "src/lazymap/blocks.c",
    "src/lazymap/cache.c",
    "src/lazymap/chain.c",
    "src/lazymap/closed.c",
    "src/lazymap/collect.c",
    "src/lazymap/cursor.c",
    "src/lazymap/feed.c",
    "src/lazymap/iterator.c",
    "src/lazymap/lazymap.c",
    "src/lazymap/native.c",
    "src/lazymap/oneshot.c",
    "src/lazymap/operations.c",
    "src/lazymap/operations_avx2.c",
    "src/lazymap/operations_avx512.c",
    "src/lazymap/pages.c",
    "src/lazymap/pickle.c",
    "src/lazymap/program.c",
    "src/lazymap/recognise.c",
    "src/lazymap/reduce.c",
    "src/lazymap/repr.c",
    "src/lazymap/room.c",
    "src/lazymap/search.c",
    "src/lazymap/slices.c",
    "src/lazymap/source.c",
    "src/lazymap/tuples.c",
    "src/lazymap/view.c",
    "src/lazymap/window.c",
    "src/platform/cpu.c",
    "src/platform/memory_module.c",
    f"src/platform/memory_{SYSTEM}.c",
    f"src/platform/threads_{'windows' if SYSTEM == 'windows' else 'posix'}.c",
]

GNU_WARNINGS = [
    "-Wall",
    "-Wextra",
    "-Wshadow",
    "-Wstrict-prototypes",
    "-Wmissing-prototypes",
    "-Wno-unused-parameter",
    "-Wno-missing-field-initializers",
    "-Wno-cast-function-type",
]


def switched_on(name: str) -> bool:
    return os.environ.get(name, "") not in ("", "0")


def gnu_flags() -> tuple[list[str], list[str]]:
    """Compile and link flags for gcc, clang and mingw-w64."""
    # Contracting a * b + c into one rounding would break the exact sums.
    compile_flags = ["-std=c11", "-fvisibility=hidden", "-ffp-contract=off"]
    compile_flags += GNU_WARNINGS
    link_flags: list[str] = []
    if switched_on("MEMOPT_DEBUG"):
        compile_flags += ["-O0", "-g3", "-UNDEBUG", "-DMO_DEBUG=1"]
    else:
        # Wheels are built once and run often; CPython's own default may be
        # -O2, at which gcc 11 and older do not vectorise.
        compile_flags += ["-O3"]
    for name, flag in (
        ("MEMOPT_ASAN", "-fsanitize=address,undefined"),
        ("MEMOPT_TSAN", "-fsanitize=thread"),
    ):
        if switched_on(name):
            compile_flags += [flag, "-g", "-O1", "-fno-omit-frame-pointer"]
            # CPython compiles with -fwrapv, which would hide overflows.
            compile_flags += ["-fno-sanitize-recover=undefined", "-fno-wrapv"]
            link_flags += [flag]
    if switched_on("MEMOPT_WERROR"):
        compile_flags += ["-Werror"]
    return compile_flags, link_flags


def msvc_flags() -> tuple[list[str], list[str]]:
    """Compile and link flags for MSVC and clang-cl."""
    compile_flags = ["/std:c11", "/W3", "/fp:precise", "/utf-8"]
    if switched_on("MEMOPT_DEBUG"):
        compile_flags += ["/Od", "/Zi", "/UNDEBUG", "/DMO_DEBUG=1"]
    else:
        compile_flags += ["/O2"]
    if switched_on("MEMOPT_WERROR"):
        compile_flags += ["/WX"]
    return compile_flags, []


class BuildExt(build_ext):
    """build_ext that picks the flags once the compiler is known."""

    def finalize_options(self) -> None:
        super().finalize_options()
        # Neither switches nor headers change a source: never take an old object.
        self.force = True

    def build_extensions(self) -> None:
        is_msvc = self.compiler.compiler_type == "msvc"
        compile_flags, link_flags = msvc_flags() if is_msvc else gnu_flags()
        for extension in self.extensions:
            extension.extra_compile_args += compile_flags
            extension.extra_link_args += link_flags
        super().build_extensions()


setup(
    ext_modules=[
        Extension(
            "memopt._memopt",
            sources=SOURCES,
            include_dirs=["src", numpy.get_include()],
            define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
            libraries=[] if sys.platform == "win32" else ["m"],
        )
    ],
    cmdclass={"build_ext": BuildExt},
)
