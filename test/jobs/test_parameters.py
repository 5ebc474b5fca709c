"""Named parameters: values and types arrive as they are, and nothing else does."""

import datetime
import decimal
import math

import pytest
from conftest import failed, succeeded
from firesteel_failure import Refused
from firesteel_parameters import arguments
from hypothesis import given, settings
from hypothesis import strategies as st

UTC = datetime.timezone.utc
VALUES = [
    ("boolean", "true", True),
    ("int", "-2147483648", -(2**31)),
    ("bigint", "2024", 2024),
    ("bigint", "-9223372036854775808", -(2**63)),
    ("double", "-0.0", -0.0),
    ("double", "1e308", 1e308),
    ("double", "0.1", 0.1),
    ("date", "2024-02-29", datetime.date(2024, 2, 29)),
    ("timestamp", "2024-02-29T12:00:00.123456Z", datetime.datetime(2024, 2, 29, 12, 0, 0, 123456, tzinfo=UTC)),
    ("timestamp", "2024-02-29 12:00:00+02:00", datetime.datetime(2024, 2, 29, 10, tzinfo=UTC)),
    ("decimal(38,2)", "-123456789012345678901234567890.12", decimal.Decimal("-123456789012345678901234567890.12")),
    ("decimal(10,4)", "1.5", decimal.Decimal("1.5")),
    ("binary", "AP+A", b"\x00\xff\x80"),
    ("string", "", ""),
    ("string", "it's \\' \"\n\t\u0000%_ :p0 -- /* \U0001f525 é", "it's \\' \"\n\t\u0000%_ :p0 -- /* \U0001f525 é"),
    ("string", "\\", "\\"),
]


def plain(row):
    value = row[0]
    if isinstance(value, bytearray):
        return bytes(value)
    return value.astimezone(UTC) if isinstance(value, datetime.datetime) else value


@pytest.mark.parametrize("kind, value, expected", VALUES)
def test_values_arrive(spark, kind, value, expected):
    frame = spark.sql("SELECT :p0 AS v", args=arguments(spark, [{"name": "p0", "type": kind, "value": value}]))
    got = plain(frame.collect()[0])
    assert got == expected
    if isinstance(got, float):
        assert math.copysign(1, got) == math.copysign(1, expected)
    # Spark 4.1 puts values into the text as literals
    assert frame.schema[0].dataType.simpleString() == kind or (
        kind.startswith("decimal") and spark.version.startswith("4.1")
    )


@pytest.mark.parametrize("kind, value, expected", VALUES)
def test_values_arrive_through_the_harness(spark, bench, kind, value, expected):
    output = succeeded(bench.sql("SELECT :p0 AS v", [{"name": "p0", "type": kind, "value": value}]))
    assert plain(bench.rows(output)[0]) == expected


@settings(max_examples=15)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_no_text_gets_out_of_its_parameter(spark, text):
    texts = [text, "' OR 1=1 --" + text, text + "\\", ":p1" + text]
    parameters = [{"name": f"p{i}", "type": "string", "value": t} for i, t in enumerate(texts)]
    got = spark.sql("SELECT :p0, :p1, :p2, :p3, 'x' AS `:p0`", args=arguments(spark, parameters)).collect()[0]
    assert list(got)[:4] == texts


def test_lists_come_as_arrays(bench):
    parameters = [{"name": f"p{i}", "type": "bigint", "value": str(i)} for i in range(3)]
    query = "SELECT id FROM range(10) WHERE array_contains(array(:p0, :p1, :p2), id) ORDER BY id"
    assert [row[0] for row in bench.rows(succeeded(bench.sql(query, parameters)))] == [0, 1, 2]


def test_nulls_and_doubles_without_a_literal(bench):
    for kind, name in (
        ("bigint", "long"),
        ("decimal(10,2)", "decimal(10,2)"),
        ("timestamp", "timestamp"),
        ("string", "string"),
    ):
        output = succeeded(bench.sql("SELECT :p0 AS v", [{"name": "p0", "type": kind, "value": None}]))
        assert output["schema"]["fields"][0]["type"] == name
        assert bench.rows(output)[0][0] is None
    for value in ("NaN", "Infinity", "-Infinity"):
        got = bench.rows(succeeded(bench.sql("SELECT :p0 AS v", [{"name": "p0", "type": "double", "value": value}])))[
            0
        ][0]
        assert repr(got) == repr(float(value))


def test_a_null_without_a_type_compares(bench):
    void = [{"name": "p0", "type": "void", "value": None}]
    assert succeeded(bench.sql("SELECT id FROM range(3) WHERE :p0 IS NULL", void))["rows"] == 3


BAD = [
    ("int", "2147483648", "int is out of range"),
    ("bigint", "9223372036854775808", "bigint is out of range"),
    ("bigint", "1 OR 1=1", "no bigint"),
    ("boolean", "yes", "no boolean"),
    ("double", "1)", "no double"),
    ("date", "2024-01-01' OR '1'='1", "no date"),
    ("timestamp", "today", "no timestamp"),
    ("decimal(4,2)", "123.45", "decimal(4,2) does not hold 123.45"),
    ("decimal(4,2)", "1.234", "decimal(4,2) does not hold 1.234"),
    ("binary", "*", ""),
    ("uuid", "x", "no uuid"),
    ("timestamp_ntz", "2024-01-01T00:00:00Z", "no timestamp_ntz"),
]


@pytest.mark.parametrize("kind, value, message", BAD)
def test_refuses_what_is_no_value(spark, bench, kind, value, message):
    error = failed(bench.sql("SELECT :p0 AS v", [{"name": "p0", "type": kind, "value": value}]))
    assert error["message"].startswith("parameter p0: ") and message in error["message"]
    with pytest.raises(Refused):
        arguments(spark, [{"name": "p0", "type": kind, "value": value}])
