"""InternPool.json_loads and object_pairs_hook: json.loads, with interned strings."""

import decimal
import json
import math
import random
import struct
import sys
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import fail_each_allocation

from memopt import InternPool

LETTERS = 'ab"\\/\b\f\n\r\t\0\x1f\x7f\x80\xe9\u0416\u2028\ud800\udc00\uffff\U0001f600'
texts = st.text(LETTERS, max_size=12) | st.text(max_size=12)
numbers = (
    st.integers()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False)
    | st.sampled_from([-0.0, 0, 10**17, 10**18, 10**19, -(2**63), 5e-324, 1e308])
)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4)
    ),
    max_leaves=20,
)


def strings_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from strings_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings_in(inner)


def bits(value: Any) -> Any:
    """A value that tells 0.0 from -0.0, 1 from 1.0 and True, and NaN from none."""
    if isinstance(value, float):
        return "float", struct.pack("d", value)
    if isinstance(value, dict):
        return "dict", [(bits(k), bits(v)) for k, v in value.items()]
    if isinstance(value, list):
        return [bits(inner) for inner in value]
    return type(value), value


def outcome(loads: Any, document: Any) -> Any:
    try:
        return bits(loads(document))
    except (ValueError, TypeError, RecursionError) as error:
        return type(error), str(error)


def check(document: Any) -> None:
    pool = InternPool()
    assert outcome(pool.json_loads, document) == outcome(json.loads, document)
    pool._debug_validate()


class TestSameAsJson:
    @given(values, st.booleans(), st.sampled_from([None, 1]))
    def test_of_documents(self, value: Any, ascii: bool, indent: int | None) -> None:
        document = json.dumps(value, ensure_ascii=ascii, indent=indent)
        pool = InternPool()
        loaded = pool.json_loads(document)
        assert bits(loaded) == bits(json.loads(document))
        found: dict[str, str] = {}
        for string in strings_in(loaded):
            assert type(string) is str
            assert found.setdefault(string, string) is string
            assert pool.intern(string) is string
        try:
            encoded = document.encode()
        except UnicodeEncodeError:
            encoded = document.encode("utf-8", "surrogatepass")
        check(encoded)
        check(bytearray(encoded))

    @given(
        st.text('[]{},:"\\u0d8e-+.19 \ntruefalsn\xe9\u0416', max_size=25)
        | st.text(max_size=10)
    )
    @example("-")
    @example('"\\ud83d\\ude00"')
    def test_of_any_text(self, document: str) -> None:
        check(document)
        check(document.encode("utf-8", "surrogatepass"))

    @given(values, st.randoms(use_true_random=False))
    def test_of_damaged_documents(self, value: Any, choose: random.Random) -> None:
        characters = list(json.dumps(value, ensure_ascii=False))
        for _ in range(choose.randrange(1, 4)):
            place = choose.randrange(len(characters) + 1)
            characters[place : place + choose.randrange(2)] = choose.choice(
                ["", '"', "\\", "\\u", "}", "]", ",", "0", ".", "e", "\0", " ", "\x1f"]
            )
        check("".join(characters))

    @given(st.binary(max_size=20))
    def test_of_any_bytes(self, document: bytes) -> None:
        check(document)

    @pytest.mark.parametrize(
        "document",
        [
            "",
            " ",
            "[",
            "[1,]",
            "[1 2]",
            '{"a"}',
            '{"a":}',
            '{"a":1,}',
            "{1:2}",
            "{'a':1}",
            '{"a" 1}',
            "[]]",
            "nul",
            "nulls",
            "truefalse",
            "True",
            "01",
            "-01",
            "1.",
            ".5",
            "1.e5",
            "1e",
            "1e+",
            "+1",
            "--1",
            "-a",
            "-",
            "0x10",
            "1_000",
            "\u0661",
            "0e0",
            "-0",
            "-0.0",
            "1E400",
            "-1e400",
            "1e-400",
            "NaN",
            "[Infinity, -Infinity, NaN]",
            "123456789012345678",
            "1234567890123456789",
            "-999999999999999999",
            "9" * 127,
            "9" * 200,
            "9" * 5000,
            "0." + "1" * 300,
            '"',
            '"\\"',
            '"\\',
            '"\\x"',
            '"\\u"',
            '"\\u12"',
            '"\\u12g4"',
            '"\\u0x12"',
            '"\\u 123"',
            '"\\u-123"',
            '"\\u\xb2222"',
            '"\\ud83d\\ude00"',
            '"\\ud83d\\u0041"',
            '"\\ud83d\\ud83d\\ude00"',
            '"\\ud83d\\u"',
            '"\\ude00"',
            '"\\uD83D\\uDE00\\u00E9"',
            '"a\tb"',
            '"a\nb"',
            '"a\x7fb"',
            '"\0"',
            '"a" "b"',
            '"' + "\xe9" * 300 + '"',
            '"' + "\u0416" * 300 + '"',
            '"' + "\\u0416" * 300 + '"',
            '"' + "x" * 2000 + '"',
            '{"' + "k" * 2000 + '": 1}',
            '{"' + "\u0416" * 300 + '": 1}',
            '{"a": 1, "a": 2, "b": 3, "a": 4}',
            '\ufeff"a"',
            "\xa0[]",
            "[1]\x0b",
            " \t\n\r[ 1 , 2 ] \t\n\r",
            "[" * 499 + "]" * 499,
            "[" * 501 + "]" * 501,
            "[" * 900 + "]" * 900,
            "[" * 100_000,
            '{"a":' * 100_000,
        ],
    )
    def test_of_corner_cases(self, document: str) -> None:
        check(document)
        check(document.encode("utf-8", "surrogatepass"))
        check(document.encode("utf-16", "surrogatepass"))
        check(document.encode("utf-32-le", "surrogatepass"))

    @pytest.mark.parametrize("document", [None, 5, [], memoryview(b"[]"), object])
    def test_of_other_types(self, document: Any) -> None:
        with pytest.raises(TypeError) as wanted:
            json.loads(document)
        with pytest.raises(TypeError) as got:
            InternPool().json_loads(document)
        assert str(got.value) == str(wanted.value)

    def test_subclasses_of_str(self) -> None:
        class Str(str):
            __slots__ = ()

        check(Str('["north"]'))
        (north,) = InternPool().json_loads(Str('["north"]'))
        assert type(north) is str

    @given(values)
    def test_with_options(self, value: Any) -> None:
        document = json.dumps(value)
        pool = InternPool()
        for options in (
            {"parse_float": decimal.Decimal},
            {"parse_int": float},
            {"object_hook": lambda d: list(d.items())},
            {"object_pairs_hook": lambda pairs: pairs},
            {"strict": False},
        ):
            expected = json.loads(document, **options)  # type: ignore[call-overload]
            assert pool.json_loads(document, **options) == expected

    def test_options_are_checked_by_json(self) -> None:
        pool = InternPool()
        with pytest.raises(TypeError, match="no_such"):
            pool.json_loads("[]", no_such=1)
        assert pool.json_loads('"a\tb"', strict=False) == "a\tb"
        (a, b) = pool.json_loads('["a b", ["a b"]]', parse_int=float)
        assert a is b[0]

    def test_hooks_are_given_interned_strings(self) -> None:
        document = '[{"city": "Oslo"}, {"to": ["Oslo", ["Oslo"]]}, "city"]'
        for name in ("object_hook", "object_pairs_hook"):
            pool, given = InternPool(), []
            hook = {name: lambda pairs, given=given: given.append(dict(pairs))}
            assert pool.json_loads(document, **hook) == [None, None, "city"]
            assert given == [{"city": "Oslo"}, {"to": ["Oslo", ["Oslo"]]}]
            for string in strings_in(given):
                assert string is pool.get(string)

    def test_what_hooks_return_is_not_searched(self) -> None:
        class Cities:
            pass

        cities = Cities()
        cities.names = ["".join(["Os", "lo"])]  # type: ignore[attr-defined]
        (oslo,) = cities.names  # type: ignore[attr-defined]
        pool = InternPool()
        document = '["Oslo", {}]'
        options: dict[str, Any]
        for options in (
            {"object_hook": lambda d: cities},
            {"object_pairs_hook": lambda pairs: cities, "object_hook": None},
            {"cls": json.JSONDecoder, "object_hook": lambda d: cities},
        ):
            assert pool.json_loads(document, **options)[1] is cities
            assert cities.names[0] is oslo  # type: ignore[attr-defined]

    def test_lists_that_hooks_return_are_not_searched(self) -> None:
        oslo = "".join(["Os", "lo"])
        cities = [oslo]
        pool = InternPool()
        pool.intern("Oslo")

        def hook(found: dict[str, Any]) -> list[str]:
            return cities

        document = '[{}, {"a": {}, "b": [{}, "Oslo"]}, [{}]]'
        found = pool.json_loads(document, object_hook=hook)
        assert found == [cities, cities, [cities]]
        assert cities[0] is oslo

    def test_a_decoder_may_make_lists_that_hold_themselves(self) -> None:
        class Decoder(json.JSONDecoder):
            def decode(self, s: str, *args: Any) -> Any:
                ring: list[Any] = super().decode(s, *args)
                ring.append(ring)
                return ring

        found = InternPool().json_loads('["north"]', cls=Decoder)
        assert found[1] is found

    def test_hooks_may_return_a_list_that_holds_itself(self) -> None:
        ring: list[Any] = ["north"]
        ring.append(ring)
        for document in ("{}", '{"a": {}}'):
            assert InternPool().json_loads(document, object_hook=lambda d: ring) is ring

    def test_a_decoder_of_another_class_may_know_no_hooks(self) -> None:
        class Decoder(json.JSONDecoder):
            def __init__(self) -> None:
                super().__init__()

        pool = InternPool()
        a, b = pool.json_loads('["a b", "a b"]', cls=Decoder)
        assert a is b


class TestStrings:
    def test_of_all_documents_are_shared(self) -> None:
        pool = InternPool()
        first = pool.json_loads('{"city": "Oslo", "tags": ["\\u0416\\u0416"]}')
        second = pool.json_loads('[{"city":"Oslo"}, "\u0416\u0416", "city"]'.encode())
        for string in strings_in(second):
            assert any(string is other for other in strings_in(first))

    def test_keys_are_shared_even_if_the_pool_is_too_small(self) -> None:
        pool = InternPool(1)
        rows = pool.json_loads(
            json.dumps(
                [
                    {
                        f"key\t{i}" if i % 2 else f"key {i}": f"value {j}"
                        for i in range(20)
                    }
                    for j in range(9)
                ]
            )
        )
        keys = {id(key) for row in rows for key in row}
        assert len(keys) == 20

    def test_escaped_and_plain_spellings_are_one(self) -> None:
        pool = InternPool()
        a, b, c = pool.json_loads(
            '["caf\xe9 \U0001f600", "caf\\u00e9 \\ud83d\\ude00", ""]'
        )
        assert a is b
        assert c == ""

    def test_memory(self) -> None:
        rows = [
            {"level": "information", "host": f"host-{i % 20}.example.org", "n": i}
            for i in range(2000)
        ]
        document = json.dumps(rows)

        def held(loads: Any) -> int:
            tracemalloc.start()
            try:
                value = loads(document)
                assert value == rows
                return tracemalloc.get_traced_memory()[0]
            finally:
                tracemalloc.stop()

        assert held(InternPool().json_loads) < held(json.loads) * 0.7

    def test_references(self) -> None:
        pool = InternPool()
        north = pool.intern("north" + str(5))
        before = sys.getrefcount(north)
        value = pool.json_loads('[{"north5": "north5"}, ["north5"]]')
        assert sys.getrefcount(north) == before + 3
        del value
        assert sys.getrefcount(north) == before
        for bad in ('[{"north5": "north5"', '{"north5": "north5", "\\x": 1}'):
            with pytest.raises(ValueError, match="column"):
                pool.json_loads(bad)
        assert sys.getrefcount(north) == before

    def test_failing_allocations(self) -> None:
        document = json.dumps(
            {"a": ["text", "\xe9", "\u0416" * 300, 10**30, 1.5], "b": {"c\n": [[]]}}
        )
        for text in (document, json.dumps(json.loads(document), ensure_ascii=False)):
            pool = InternPool()
            met = fail_each_allocation(
                InternPool,
                lambda p, t=text: p._scan_json(t),
                lambda p: p._debug_validate(),
            )
            assert met > 5
            assert pool.json_loads(text) == json.loads(text)


class TestObjectPairsHook:
    @given(values)
    def test_gives_dicts(self, value: Any) -> None:
        document = json.dumps(value)
        pool = InternPool()
        loaded = json.loads(document, object_pairs_hook=pool.object_pairs_hook)
        assert bits(loaded) == bits(json.loads(document))

    def test_interns(self) -> None:
        pool = InternPool()
        first, second = (
            json.loads(
                '{"city": "Oslo", "tags": ["a b", "a b"], "n": 1}',
                object_pairs_hook=pool.object_pairs_hook,
            )
            for _ in range(2)
        )
        for a, b in zip(strings_in(first), strings_in(second), strict=True):
            assert a is b

    def test_interns_in_arrays_of_arrays(self) -> None:
        pool = InternPool()
        nested = '{"a": ["x y", [["x y"], 5, ["x y", [[]], {"b": "x y"}]]]}'
        loaded = json.loads(nested, object_pairs_hook=pool.object_pairs_hook)
        assert loaded == json.loads(nested)
        found = [string for string in strings_in(loaded) if string == "x y"]
        assert len(found) == 4
        assert all(string is pool.get("x y") for string in found)

    def test_arrays_may_hold_themselves(self) -> None:
        ring: list[Any] = [" ".join("xy")]
        ring += [ring, [ring, ring, " ".join("xy")]]
        pool = InternPool()
        found = pool.object_pairs_hook([("a", ring)])["a"]
        assert found is ring
        assert found[0] is found[2][2] is pool.get("x y")
        ring.clear()

    @pytest.mark.parametrize(
        "pairs", [None, (), {}, [1], [("a",)], [("a", 1, 2)], [["a", 1]], [([], 1)]]
    )
    def test_refuses_anything_else(self, pairs: Any) -> None:
        with pytest.raises(TypeError):
            InternPool().object_pairs_hook(pairs)

    def test_failing_allocations(self) -> None:
        met = fail_each_allocation(
            InternPool,
            lambda p: p.object_pairs_hook([("ab", "cd"), ("ef", ["gh", ["ij"], []])]),
        )
        assert met > 5

    def test_what_is_left_alone_is_told_by_a_dict(self) -> None:
        wrong: Any = [1]
        with pytest.raises(TypeError, match="must be dict, not list"):
            InternPool()._intern_value([], wrong)

    def test_failing_allocations_with_lists_that_are_left_alone(self) -> None:
        theirs = [" ".join("xy")]

        def act(pool: InternPool) -> None:
            mine = [theirs, [" ".join("xy"), theirs]]
            assert pool._intern_value(mine, {id(theirs): theirs}) is mine
            assert pool._intern_value(theirs, {id(theirs): theirs}) is theirs
            assert pool.get("x y") is mine[1][0] is not theirs[0]

        assert fail_each_allocation(InternPool, act) > 5


def test_nan_is_read_by_json() -> None:
    (value,) = InternPool().json_loads("[NaN]")
    assert math.isnan(value)
