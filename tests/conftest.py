"""Settings shared by every test."""

import gc
import os
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from support import free_threaded

# What the tests start writes UTF-8, which they read, on Windows too: a pipe has
# the encoding of the code page there.
os.environ["PYTHONIOENCODING"] = "utf-8"

# Times vary on shared machines: a slow example is not a failure.
settings.register_profile(
    "default",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.register_profile("quick", settings.get_profile("default"), max_examples=25)
settings.register_profile(
    "thorough", settings.get_profile("default"), max_examples=2000
)
# For tests that are to fail, see tools/mutants.py: nobody reads the example.
settings.register_profile(
    "seeded",
    settings.get_profile("quick"),
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

OF_THE_HEAP = ("test_advise_", "test_heap_scan")  # files whose tests look at all of it


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    if config.pluginmanager.hasplugin("run-parallel"):
        mark_thread_unsafe(items)
    reason = "the heap cannot be scanned on a free-threaded CPython"
    for item in items:
        name = item.path.name
        if free_threaded and name.startswith(OF_THE_HEAP):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True, scope="module")
def _only_new_objects_are_collected(request: pytest.FixtureRequest) -> Iterator[None]:
    """A full collection does not go through all that pytest holds, 0.2 s each time."""
    if request.path.name.startswith(OF_THE_HEAP):
        yield
        return
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def without_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no test had imported pandas, whose older versions dedup() has to heed."""
    monkeypatch.delitem(sys.modules, "pandas._libs.hashtable", raising=False)


def mark_thread_unsafe(items: list[pytest.Item]) -> None:
    """Mark the tests that are not for several threads, for pytest-run-parallel."""
    table = Path(__file__).with_name("thread_unsafe.toml").read_text("utf-8")
    for reason, names in tomllib.loads(table)["reasons"].items():
        for item in items:
            if item.nodeid.rpartition("tests/")[2].startswith(tuple(names)):
                item.add_marker(pytest.mark.thread_unsafe(reason=reason))
