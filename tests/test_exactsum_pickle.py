"""The pickles of ExactSum: small, the same for equal sums, and hard to fool."""

import io
import math
import pickle
import pickletools
import random
from collections.abc import Callable
from typing import Any

import pytest
from floats import DBL_MAX, TINY, float_lists
from hypothesis import given
from hypothesis import strategies as st
from reference import (
    STATE_MINUS_INF,
    STATE_NAN,
    STATE_PLUS_INF,
    STATE_SIZE,
    STATE_VERSION,
    decode_state,
    encode_state,
    fnv1a,
    units_of,
)
from support import run_in_fresh_process

from memopt import ExactSum

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
LIMIT = 2 ** (66 * 32 + 61)


def state_of(total: ExactSum) -> bytes:
    state = total.__reduce__()[1][0]
    assert isinstance(state, bytes)
    return state


def load(state: Any) -> ExactSum:
    """What unpickling this state gives, from a sum that must otherwise stay."""
    total = ExactSum([0.1, 0.2])
    before = state_of(total)
    try:
        total.__setstate__(state)
    except ValueError:
        assert state_of(total) == before
        raise
    return total


def sealed(body: bytes) -> bytes:
    """A state whose hash is right, whatever it says."""
    return body + fnv1a(body).to_bytes(8, "little")


SUMS: list[Callable[[], ExactSum]] = [
    ExactSum,
    lambda: ExactSum([0.1] * 10),
    lambda: ExactSum([-TINY]),
    lambda: ExactSum([-DBL_MAX] * 5000),
    lambda: ExactSum([math.inf, -math.inf, math.nan, 1.0]),
    lambda: ExactSum() - ExactSum([1.0, -math.inf]),
    lambda: load(encode_state(LIMIT - 1, 2**63 - 1, 7)),
    lambda: load(encode_state(-LIMIT, -(2**63))),
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("make", SUMS)
def test_round_trip(make: Callable[[], ExactSum], protocol: int) -> None:
    total = make()
    loaded = pickle.loads(pickle.dumps(total, protocol))
    assert type(loaded) is ExactSum
    assert loaded == total
    assert loaded.count == total.count
    assert state_of(loaded) == state_of(total)
    assert repr(loaded) == repr(total)


@given(
    float_lists, st.sampled_from([[], [math.inf], [math.nan], [-math.inf, math.nan]])
)
def test_state_is_what_its_layout_says(
    values: list[float], special: list[float]
) -> None:
    flags = (
        STATE_NAN * any(map(math.isnan, special))
        | STATE_PLUS_INF * (math.inf in special)
        | STATE_MINUS_INF * (-math.inf in special)
    )
    count = len(values) + len(special)
    state = state_of(ExactSum(values + special))
    assert decode_state(state) == (units_of(values), count, flags)
    assert state == encode_state(units_of(values), count, flags)


@given(float_lists, st.randoms(use_true_random=False))
def test_equal_sums_pickle_alike(values: list[float], rng: random.Random) -> None:
    shuffled = values[:]
    rng.shuffle(shuffled)
    merged = ExactSum(shuffled[::2])
    merged.merge(ExactSum(shuffled[1::2]))
    for protocol in PROTOCOLS:
        expected = pickle.dumps(ExactSum(values), protocol)
        assert pickle.dumps(merged, protocol) == expected


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_at_most_700_bytes(protocol: int) -> None:
    # Protocol 2 writes bytes from 128 on as two: the most there can be.
    widest = load(encode_state(int.from_bytes(b"\xff" * 270 + b"\x1f"), 2**63 - 1, 7))
    rng = random.Random(0)
    for total in [
        widest,
        *(load(encode_state(rng.getrandbits(2172))) for _ in "12345"),
    ]:
        assert len(pickle.dumps(total, protocol)) <= 700


def test_pickle_travels_between_processes() -> None:
    total = ExactSum([0.1, 1e300, -math.inf])
    data = run_in_fresh_process(
        "import pickle, memopt\n"
        "total = memopt.ExactSum([-float('inf'), 1e300]) + memopt.ExactSum([0.1])\n"
        "print(pickle.dumps(total).hex())"
    )
    assert pickle.loads(bytes.fromhex(data)) == total


# Damage and hostility ---------------------------------------------------------


@pytest.mark.parametrize("make", SUMS)
def test_every_changed_byte_is_found(make: Callable[[], ExactSum]) -> None:
    state = state_of(make())
    rng = random.Random(1)
    for position in range(STATE_SIZE):
        for change in {1, 0x80, 0xFF, rng.randint(1, 255), rng.randint(1, 255)}:
            damaged = bytearray(state)
            damaged[position] ^= change
            with pytest.raises(ValueError, match=r"^not the state of an ExactSum: its"):
                load(bytes(damaged))


@given(st.binary(max_size=600) | st.binary(min_size=STATE_SIZE, max_size=STATE_SIZE))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"^not the state of an ExactSum: "):
        load(data)
    with pytest.raises(ValueError, match=r"^not the state of an ExactSum: "):
        load(bytes([STATE_VERSION]) + data)


@given(st.binary(min_size=STATE_SIZE - 9, max_size=STATE_SIZE - 9))
def test_sealed_bytes_are_a_sum_or_refused(data: bytes) -> None:
    state = sealed(bytes([STATE_VERSION]) + data)
    units, count, flags = decode_state(state)
    if flags < 8 and -LIMIT <= units < LIMIT:
        loaded = load(state)
        assert state_of(loaded) == state == encode_state(units, count, flags)
        loaded.add(1.0)
        loaded += ExactSum([0.1])
    else:
        with pytest.raises(ValueError, match="not the state of an ExactSum"):
            load(state)


GOOD = encode_state(12345, 3)


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        (b"", "its size is wrong"),
        (GOOD[:-1], "its size is wrong"),
        (GOOD + b"\0", "its size is wrong"),
        (GOOD * 2, "its size is wrong"),
        (bytes([STATE_VERSION]), "its size is wrong"),
        (b"\0" * STATE_SIZE, "its version is not known"),
        (b"\2" + GOOD[1:], "its version is not known"),
        (b"\2", "its version is not known"),
        (GOOD[:-1] + bytes([GOOD[-1] ^ 1]), "its bytes are damaged"),
        (encode_state(1, 1, 8), "its flags are not known"),
        (encode_state(1, 1, 255), "its flags are not known"),
        (encode_state(LIMIT, 1), "its sum is out of range"),
        (encode_state(-LIMIT - 1, 1), "its sum is out of range"),
        (encode_state(2 ** (66 * 32 + 63) - 1, 1), "its sum is out of range"),
        (encode_state(-(2 ** (66 * 32 + 63)), 1), "its sum is out of range"),
        (None, "bytes are needed"),
        (GOOD.hex(), "bytes are needed"),
        (bytearray(GOOD), "bytes are needed"),
        (memoryview(GOOD), "bytes are needed"),
        ((12345, 3), "bytes are needed"),
        (type("Bytes", (bytes,), {})(GOOD), "bytes are needed"),
        ({"value": 1.0}, "bytes are needed"),
    ],
)
def test_wrong_states(state: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^not the state of an ExactSum: {problem}"):
        load(state)


def test_wrong_states_within_pickles() -> None:
    class Forged:
        def __init__(self, *parts: Any) -> None:
            self.parts = parts

        def __reduce__(self) -> Any:
            return self.parts

    load_state = ExactSum().__reduce__()[0]
    for state in (GOOD[:-1], 5, "x", [GOOD], sealed(b"\1" + b"\xff" * 281)):
        for parts in ((load_state, (state,)), (ExactSum, (), state)):
            with pytest.raises(ValueError, match="not the state of an ExactSum"):
                pickle.loads(pickle.dumps(Forged(*parts)))
    for arguments in ((), (GOOD, GOOD)):
        with pytest.raises(TypeError):
            pickle.loads(pickle.dumps(Forged(load_state, arguments)))
    with pytest.raises(TypeError):
        pickle.loads(pickle.dumps(Forged(ExactSum, ("text",))))
    loaded = pickle.loads(pickle.dumps(Forged(ExactSum, (), GOOD)))
    assert state_of(loaded) == GOOD


def loaded_or_none(data: bytes) -> ExactSum | None:
    """What this pickle is, or None if it is refused or is no sum."""
    try:
        loaded = Restricted(data).load()
    except Exception:  # whatever the pickle machine says
        return None
    return loaded if type(loaded) is ExactSum else None


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_damaged_pickles_never_give_another_sum(protocol: int) -> None:
    total = ExactSum([0.1, 1e10, -3.0])
    data = pickle.dumps(total, protocol)
    # Every change of what is around the state, and some of each byte of it, of which
    # every change is tried above.
    for position in range(len(data)):
        around = position < 80 or position >= len(data) - 40
        for value in range(0, 256, 1 if around else 51):
            damaged = bytearray(data)
            damaged[position] = value
            if not asks_for_much(bytes(damaged)):
                loaded = loaded_or_none(bytes(damaged))
                assert loaded is None or loaded == total, (position, value)


def asks_for_much(data: bytes) -> bool:
    """Whether unpickling allocates for sizes that the pickle claims: gigabytes."""
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name in ("PUT", "LONG_BINPUT") and argument > 10_000:
                return True
    except ValueError as error:
        return "bytes" in str(error) and "expected" in str(error)
    except Exception:
        return False
    return False


@given(st.data())
def test_shuffled_pickles_never_give_another_sum(data: st.DataObject) -> None:
    """Pickles cut short, repeated in part, or with pieces in another order."""
    total = ExactSum([0.1, 1e10, -3.0])
    good = pickle.dumps(total, data.draw(st.sampled_from(PROTOCOLS)))
    places = st.integers(0, len(good))
    cuts = st.tuples(places, places).map(sorted)
    pieces = data.draw(st.lists(cuts, min_size=1, max_size=4))
    bad = b"".join(good[a:b] for a, b in pieces)
    if not asks_for_much(bad):
        loaded = loaded_or_none(bad)
        assert loaded is None or loaded == total


class Restricted(pickle.Unpickler):
    """An unpickler that finds nothing dangerous in damaged names."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in (
            ("memopt", "ExactSum"),
            ("memopt._memopt", "_restore_exactsum"),
            ("_codecs", "encode"),
        ):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is not for this test")
