"""The frame around the benchmarks; what they measure is theirs."""

import importlib

import pytest

from benchmarks.__main__ import KEYS, checked, merged, modules

RESULT = {
    "name": "bytes_per_leg",
    "value": 25.0,
    "unit": "bytes",
    "better": "lower",
    "baseline": 117,
    "ratio": 4.7,
    "note": "",
}


def test_there_are_benchmarks_and_each_has_results():
    assert modules()
    for name in modules():
        assert callable(importlib.import_module(f"benchmarks.{name}").results)


def test_a_result_comes_out_with_its_keys_in_order():
    (row,) = checked("bench_x", [dict(reversed(RESULT.items()))])
    assert tuple(row) == KEYS


@pytest.mark.parametrize(
    "wrong", [{"better": "more"}, {"extra": 1}, {"name": None}], ids=["direction", "extra key", "missing key"]
)
def test_a_result_of_another_shape_is_refused(wrong: dict[str, object]):
    result = {**RESULT, **wrong}
    result = {key: value for key, value in result.items() if value is not None}
    with pytest.raises(ValueError, match="bench_x"):
        checked("bench_x", [result])


def test_a_newer_result_takes_the_place_of_the_older_one():
    before = [{**RESULT, "value": 30.0}, {**RESULT, "name": "a"}]
    assert [(row["name"], row["value"]) for row in merged(before, [RESULT])] == [("a", 25.0), ("bytes_per_leg", 25.0)]
