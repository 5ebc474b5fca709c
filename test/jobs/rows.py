"""Random schemas and rows, and an oracle that says in plain Python when two values are the same."""

import datetime
import decimal
import math
import struct

from hypothesis import strategies as st
from pyspark.sql import types as T

UTC = datetime.timezone.utc

# Small domains on purpose: rows that nearly agree are the ones that a careless hash merges.
DOMAINS = {
    T.BooleanType(): [True, False],
    T.ByteType(): [0, 1, -1, 127, -128],
    T.ShortType(): [0, 1, -1, 32767],
    T.IntegerType(): [0, 1, 2, -1, 2**31 - 1, -(2**31)],
    T.LongType(): [0, 1, 2, -1, 42, 2**63 - 1, -(2**63)],
    T.FloatType(): [0.0, -0.0, 1.0, -1.0, float("nan"), float("inf"), float("-inf"), 1.401298464324817e-45],
    T.DoubleType(): [0.0, -0.0, 1.0, -1.0, 0.1, float("nan"), float("inf"), float("-inf"), 5e-324],
    T.DecimalType(9, 2): [decimal.Decimal("0.00"), decimal.Decimal("1.00"), decimal.Decimal("-9999999.99")],
    T.DecimalType(38, 10): [
        decimal.Decimal("0E-10"),
        decimal.Decimal("1.0000000000"),
        decimal.Decimal("-1234567890123456789012345678.0123456789"),
    ],
    T.StringType(): ["", "a", "b", "ab", "01", "1", "a\u0000", "é", "\U0001f525", "null", "NULL", "-0.0"],
    T.BinaryType(): [b"", b"a", b"ab", b"\x00", b"\xff\xfe"],
    T.DateType(): [
        datetime.date(1970, 1, 1),
        datetime.date(1970, 1, 2),
        datetime.date(1, 1, 1),
        datetime.date(1582, 10, 4),
        datetime.date(9999, 12, 31),
    ],
    T.TimestampType(): [
        datetime.datetime(1970, 1, 1, tzinfo=UTC),
        datetime.datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        datetime.datetime(1850, 6, 1, 12, 30, 15, 123456, tzinfo=UTC),
        datetime.datetime(2024, 3, 31, 1, 30, tzinfo=UTC),
    ],
    T.TimestampNTZType(): [
        datetime.datetime(1970, 1, 1),
        datetime.datetime(1970, 1, 1, 0, 0, 0, 1),
        datetime.datetime(1500, 1, 1),
    ],
    T.DayTimeIntervalType(): [datetime.timedelta(0), datetime.timedelta(microseconds=1), datetime.timedelta(days=-1)],
}
SCALARS = sorted(DOMAINS, key=str)

NAMES = ["a", "b", "c", "d.e", "f g", "h`i", "firesteel_row", "é", "_metadata", "firesteel_0", "size"]


def types(depth):
    """Spark types, nested up to a depth."""
    scalar = st.sampled_from(SCALARS)
    if depth == 0:
        return scalar
    inner = types(depth - 1)
    # keys: no floats (a Python dict merges 0.0 and -0.0 itself)
    key = st.sampled_from([t for t in SCALARS if not isinstance(t, (T.FloatType, T.DoubleType))])
    return st.one_of(
        scalar,
        inner.map(T.ArrayType),
        st.tuples(key, inner).map(lambda kv: T.MapType(*kv)),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda kinds: T.StructType([T.StructField(f"f{i}", k) for i, k in enumerate(kinds)])
        ),
    )


def schemas(depth=2, columns=4):
    """Schemas; equal types next to each other are likely, because they are the easiest to mix up."""
    kinds = st.lists(types(depth), min_size=1, max_size=columns)
    twice = kinds.map(lambda k: (k + k[:1])[:columns])
    names = st.lists(st.sampled_from(NAMES), min_size=columns, max_size=columns, unique=True)
    return st.tuples(st.one_of(kinds, twice), names).map(
        lambda both: T.StructType([T.StructField(n, k) for k, n in zip(both[0], both[1])])
    )


def values(kind):
    """Values of a Spark type as createDataFrame takes them; NULL often."""
    if isinstance(kind, T.ArrayType):
        some = st.lists(values(kind.elementType), max_size=2)
    elif isinstance(kind, T.MapType):
        keys = st.sampled_from(DOMAINS[kind.keyType])
        some = st.dictionaries(keys, values(kind.valueType), max_size=2)
    elif isinstance(kind, T.StructType):
        some = st.tuples(*[values(f.dataType) for f in kind.fields])
    else:
        some = st.sampled_from(DOMAINS[kind])
    return st.one_of(st.none(), some, some)


def tables(schema, most=40):
    """Lists of rows of a schema."""
    return st.lists(st.tuples(*[values(f.dataType) for f in schema.fields]), max_size=most)


def same(value, kind):
    """A hashable stand-in for a value: two values are the same to a dataset if and only if their stand-ins are
    equal."""
    if value is None:
        return ("null",)
    if isinstance(kind, T.ArrayType):
        return ("array",) + tuple(same(v, kind.elementType) for v in value)
    if isinstance(kind, T.MapType):
        return ("map", frozenset((same(k, kind.keyType), same(v, kind.valueType)) for k, v in value.items()))
    if isinstance(kind, T.StructType):
        return ("struct",) + tuple(same(v, f.dataType) for v, f in zip(value, kind.fields))
    if isinstance(kind, (T.FloatType, T.DoubleType)):
        return ("nan",) if math.isnan(value) else struct.pack(">d", value)
    return (type(value).__name__, bytes(value) if isinstance(value, (bytes, bytearray)) else value)
