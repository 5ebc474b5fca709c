"""The row hash tells all rows apart that differ, and the fold tells bags of rows apart, whatever their order and
layout."""

import collections
import json

import pytest
from conftest import succeeded
from firesteel_failure import Refused
from firesteel_fingerprint import ROW, SEEDS, fingerprint, fold, hashed, measures, refusals, row_hash, schema_of
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F
from pyspark.sql import types as T
from rows import SCALARS, same, schemas, tables


def hashes(frame):
    """Both hashes of each row, in order."""
    schema = schema_of(frame)
    return [
        tuple(row) for row in frame.alias(ROW).select(*[F.expr(row_hash(schema, seed)) for seed in SEEDS]).collect()
    ]


def of_sql(spark, query):
    return fingerprint(spark.sql(query))[1]


# Pairs that plain xxhash64(*columns) takes for equal, and relatives
COLLIDING = [
    ("1, CAST(NULL AS INT)", "CAST(NULL AS INT), 1"),
    ("array(1,2), array(3)", "array(1), array(2,3)"),
    ("array(array(1),array(2))", "array(array(1,2))"),
    ("array(array(1),CAST(array() AS array<int>))", "array(CAST(array() AS array<int>),array(1))"),
    ("CAST(array() AS array<int>)", "CAST(NULL AS array<int>)"),
    ("CAST(array() AS array<int>)", "array(CAST(NULL AS INT))"),
    ("array(CAST(NULL AS INT), 1)", "array(1, CAST(NULL AS INT))"),
    ("array(1)", "array(1, CAST(NULL AS INT))"),
    ("struct(1,2)", "array(1,2)"),
    ("0.0D", "-0.0D"),
    ("0.0F", "-0.0F"),
    ("array(0.0D)", "array(-0.0D)"),
    ("named_struct('x', 0.0D)", "named_struct('x', -0.0D)"),
    ("map('k', 0.0D)", "map('k', -0.0D)"),
    ("CAST(NULL AS struct<x:int>)", "named_struct('x', CAST(NULL AS INT))"),
    ("named_struct('x', 1, 'y', CAST(NULL AS INT))", "named_struct('x', CAST(NULL AS INT), 'y', 1)"),
    ("named_struct('x', CAST(NULL AS INT)), 1", "named_struct('x', 1), CAST(NULL AS INT)"),
    ("map('a', 1, 'b', 2)", "map('a', 2, 'b', 1)"),
    ("map('a', CAST(NULL AS INT))", "CAST(map() AS map<string,int>)"),
    ("CAST(map() AS map<string,int>)", "CAST(NULL AS map<string,int>)"),
    ("''", "CAST(NULL AS STRING)"),
    ("'a', 'b'", "'ab', ''"),
    ("'a', 'b'", "'b', 'a'"),
    ("X''", "CAST(NULL AS BINARY)"),
    ("TIMESTAMP'2024-01-01 00:00:00.000001'", "TIMESTAMP'2024-01-01 00:00:00'"),
    ("CAST('NaN' AS DOUBLE)", "CAST(NULL AS DOUBLE)"),
    ("CAST('Infinity' AS DOUBLE)", "CAST('-Infinity' AS DOUBLE)"),
    ("INTERVAL '1' DAY", "INTERVAL '2' DAY"),
    ("INTERVAL '1' MONTH", "INTERVAL '2' MONTH"),
]


@pytest.mark.parametrize("left, right", COLLIDING)
def test_tells_apart(spark, left, right):
    (one,), (two,) = hashes(spark.sql("SELECT " + left)), hashes(spark.sql("SELECT " + right))
    assert one[0] != two[0] and one[1] != two[1]


SAME = [
    ("map('a', 1, 'b', 2)", "map('b', 2, 'a', 1)"),
    ("CAST('NaN' AS DOUBLE)", "sqrt(-1.0D)"),
    ("array(1)", "array(if(rand() < 2, 1, CAST(NULL AS INT)))"),  # nullability
    ("1", "if(rand() < 2, 1, CAST(NULL AS INT))"),
]


@pytest.mark.parametrize("left, right", SAME)
def test_takes_for_the_same(spark, left, right):
    assert hashes(spark.sql("SELECT " + left)) == hashes(spark.sql("SELECT " + right))


@settings(max_examples=12)
@given(data=st.data())
def test_hashes_are_equal_exactly_for_equal_rows(spark, data):
    schema = data.draw(schemas())
    table = data.draw(tables(schema, 60))
    # both directions: the same row has one hash, a hash has one row; for each seed alone
    got = hashes(spark.createDataFrame(table, schema))
    expected = [same(row, schema) for row in table]
    for seed in range(len(SEEDS)):
        assert len(set(zip(expected, [g[seed] for g in got]))) == len(set(expected)) == len({g[seed] for g in got})


def folded(table, schema):
    return collections.Counter(same(row, schema) for row in table)


@settings(max_examples=5)
@given(data=st.data())
def test_fingerprints_are_equal_exactly_for_equal_bags(spark, data):
    """Many small bags of near-alike rows as groups of one DataFrame: one Spark job compares them all."""
    schema = data.draw(schemas(depth=1, columns=2))
    some = data.draw(tables(schema, 4).filter(len))
    bags = data.draw(st.lists(st.lists(st.sampled_from(some), max_size=5), min_size=2, max_size=40))
    grouped = T.StructType([T.StructField("bag", T.IntegerType()), T.StructField("row", schema)])
    frame = spark.createDataFrame([(i, row) for i, bag in enumerate(bags) for row in bag], grouped)
    with_hashes, names = hashed(frame.select("bag", "row.*"), json.loads(schema.json()))
    got = {row["bag"]: fold(row.asDict()) for row in with_hashes.groupBy("bag").agg(*measures(names)).collect()}
    empty = fold(collections.defaultdict(int))
    prints = [json.dumps(got.get(i, empty)) for i in range(len(bags))]
    oracle = [frozenset(folded(bag, schema).items()) for bag in bags]
    assert len(set(zip(prints, oracle))) == len(set(prints)) == len(set(oracle))


def test_pairs_of_equal_rows_do_not_cancel_out(spark):
    one = of_sql(spark, "SELECT * FROM VALUES (1), (2) AS t(x)")
    more = of_sql(spark, "SELECT * FROM VALUES (1), (2), (3), (3) AS t(x)")
    other = of_sql(spark, "SELECT * FROM VALUES (1), (2), (4), (4) AS t(x)")
    assert one["xor"] == more["xor"] == other["xor"]
    assert len({json.dumps(f) for f in (one, more, other)}) == 3


def test_order_partitions_and_expressions_do_not_count(spark):
    base = spark.range(1000).selectExpr("id", "CAST(id % 7 AS STRING) s", "IF(id % 3 = 0, NULL, id * 0.5D) d")
    expected = fingerprint(base)
    for other in (
        base.repartition(7),
        base.orderBy(F.desc("id")).coalesce(1),
        base.repartition(3, "s"),
        base.union(base.limit(0)),
    ):
        assert fingerprint(other) == expected
    changed = base.withColumn("d", F.when(F.col("id") == 500, F.lit(1.5)).otherwise(F.col("d")))
    assert fingerprint(changed)[1] != expected[1]


def test_counts_and_sums_of_an_empty_frame_are_zero(spark):
    rows, empty = fingerprint(spark.range(0))
    assert rows == 0
    assert empty == {"mode": "rows", "version": 1, "xor": ["0" * 16] * 2, "sums": ["0"] * 4}


def test_folds_agree_with_plain_arithmetic(spark):
    frame = spark.range(777).selectExpr("id", "CAST(id AS STRING) s")
    all_hashes = [[h & (2**64 - 1) for h in pair] for pair in hashes(frame)]
    rows, got = fingerprint(frame)
    assert rows == 777
    for i in range(2):
        xor = 0
        for pair in all_hashes:
            xor ^= pair[i]
        assert got["xor"][i] == f"{xor:016x}"
        assert got["sums"][2 * i] == str(sum(pair[i] & 0xFFFFFFFF for pair in all_hashes))
        assert got["sums"][2 * i + 1] == str(sum(pair[i] >> 32 for pair in all_hashes))


def test_stays_as_it_was(spark):
    """Golden values: if this fails every stored fingerprint has become another one; then raise VERSION."""
    query = """SELECT CAST(1 AS TINYINT) a, 2 b, 3L c, 1.5F d, -0.0D e, 1.25BD f, 'x' g, X'00ff' h,
        DATE'2024-02-29' i, true j, TIMESTAMP'2024-02-29 12:00:00.123456' k, array(1, NULL) l, map('p', array(1.0D)) m,
        named_struct('q', CAST(NULL AS INT), 'r', 'é') n"""
    assert of_sql(spark, query) == GOLDEN


GOLDEN = {
    "mode": "rows",
    "version": 1,
    "xor": ["3ecf757918601939", "6dec62fef24fefb9"],
    "sums": ["408951097", "1053783417", "4065324985", "1844208382"],
}


SETTINGS = [
    {"spark.sql.ansi.enabled": "true"},
    {"spark.sql.legacy.sizeOfNull": "false"},
    {"spark.sql.session.timeZone": "America/New_York"},
    {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"},
    {"spark.sql.subexpressionElimination.enabled": "false"},
    {"spark.sql.parser.escapedStringLiterals": "true"},
    {
        "spark.sql.ansi.enabled": "true",
        "spark.sql.ansi.doubleQuotedIdentifiers": "true",
        "spark.sql.ansi.enforceReservedKeywords": "true",
    },
    {"spark.sql.caseSensitive": "true"},
]


@pytest.mark.parametrize("conf", SETTINGS, ids=lambda conf: ",".join(conf))
def test_settings_do_not_count(spark, conf):
    def take(session):
        rows = session.range(50).selectExpr(
            "IF(id % 5 = 0, NULL, id) a",
            "IF(id % 7 = 0, NULL, array(id, NULL)) b",
            "IF(id % 2 = 0, -0.0D, 0.0D) c",
            "IF(id % 3 = 0, NULL, map(id, CAST(id AS STRING))) d",
            "timestamp_micros(id) e",
            "CAST(id AS DECIMAL(30,4)) `select`",
        )
        return fingerprint(rows)

    session = spark.newSession()
    expected = take(session)
    for name, value in conf.items():
        session.conf.set(name, value)
    assert take(session) == expected


@pytest.mark.parametrize("name", ["t", ROW])
def test_a_struct_is_not_taken_for_a_table_of_its_name(spark, name):
    spark.sql(f"SELECT named_struct('x', 1) AS {name}, 5 AS x").createOrReplaceTempView(name)
    one = of_sql(spark, f"SELECT * FROM {name}")
    other = of_sql(spark, f"SELECT named_struct('x', 2) AS {name}, 5 AS x")
    again = of_sql(spark, f"SELECT named_struct('x', 1) AS {name}, 5 AS x")
    assert one == again != other


@pytest.mark.parametrize("columns", [63, 64, 300])
def test_wide_rows_keep_every_column_apart(spark, columns):
    def wide(null_at):
        return spark.range(1).selectExpr(
            *["CAST({0} AS INT) c{1}".format("NULL" if i == null_at else 7, i) for i in range(columns)]
        )

    prints = {json.dumps(fingerprint(wide(at))) for at in (-1, 62, columns - 1)}
    assert len(prints) == len({-1, 62, columns - 1})


@settings(max_examples=8)
@given(data=st.data())
def test_written_and_read_again_is_the_same(spark, bench, data):
    """For any schema and rows: the fingerprint taken in the write is that of the files, also through key=value
    directories."""
    schema = data.draw(
        schemas(depth=2, columns=3).map(lambda s: T.StructType(s.fields + [T.StructField("last", T.IntegerType())]))
    )
    table = data.draw(tables(schema, 30))
    good = [
        f.name
        for f in schema.fields[:-1]
        if f.dataType in SCALARS and not isinstance(f.dataType, (T.BinaryType, T.DayTimeIntervalType))
    ]
    by = data.draw(st.lists(st.sampled_from(good), unique=True, max_size=2)) if good else []
    at = [schema.names.index(name) for name in by]
    table = [row for row in table if not any(row[i] == "" for i in at)]
    # Spark sorts by these columns, where 0.0 = -0.0, and then opens the directory of each twice: an error of its own
    table = [
        row
        for row in table
        if not any(
            isinstance(row[i], float) and same(row[i], schema.fields[i].dataType) == same(-0.0, T.DoubleType())
            for i in at
        )
    ]
    frame = spark.createDataFrame(table, schema).repartition(2)
    frame.createOrReplaceGlobalTempView("any_rows")
    manifest = bench.sql(
        "SELECT * FROM global_temp.any_rows",
        outputs=[{"name": "out", "format": "parquet", "partitionBy": by, "options": {}}],
    )
    output = succeeded(manifest)
    assert "verify" not in manifest["timings"]
    assert output["rows"] == len(table) == sum(file["rows"] for file in output["files"])
    assert (output["rows"], output["fingerprint"]) == fingerprint(frame)
    again = succeeded(bench.run("fingerprint", inputs=[bench.input_of(output)]))
    assert again["fingerprint"] == output["fingerprint"]
    assert again["schema"]["fields"] == [
        dict(f, nullable=True, type=anyway(f["type"])) for f in output["schema"]["fields"]
    ]


def anyway(kind):
    """A type with everything nullable, as files are read."""
    if not isinstance(kind, dict):
        return kind
    kind = dict(kind)
    for key in ("elementType", "keyType", "valueType"):
        if key in kind:
            kind[key] = anyway(kind[key])
    for key in ("containsNull", "valueContainsNull"):
        if key in kind:
            kind[key] = True
    if "fields" in kind:
        kind["fields"] = [dict(f, nullable=True, type=anyway(f["type"])) for f in kind["fields"]]
    return kind


REFUSED = [
    ("SELECT NULL AS v", "column v has no type"),
    ("SELECT array() AS v", "column v.element has no type"),
    ("SELECT map('k', NULL) AS v", "column v.value has no type"),
    ("SELECT named_struct('a', 1, 'b', array(named_struct('c', NULL))) AS v", "column v.b.element.c has no type"),
    ("SELECT make_interval(1, 2) AS v", "column v is a calendar interval"),
    ("SELECT 1 AS v, 2 AS v", "column v is there twice"),
    ("SELECT 1 AS v, 2 AS V", "column V is there twice (as v; names differ in case only)"),
    ("SELECT named_struct('a', 1, 'A', 2) AS v", "column v.A is there twice"),
    ("SELECT 1 AS ``", "column '' has an empty name"),
]


@pytest.mark.parametrize("query, message", REFUSED)
def test_refuses_by_column_path(spark, query, message):
    with pytest.raises(Refused) as error:
        fingerprint(spark.sql(query))
    assert message in str(error.value)


def test_names_every_column_that_is_refused(spark):
    with pytest.raises(Refused) as error:
        fingerprint(spark.sql("SELECT NULL AS a, 1 AS b, array() AS c"))
    assert "column a has" in str(error.value) and "column c.element has" in str(error.value)


def test_refuses_types_of_schemas_it_does_not_know():
    def of(kind, **metadata):
        return refusals(
            {"type": "struct", "fields": [{"name": "v", "type": kind, "nullable": True, "metadata": metadata}]}
        )

    assert of("variant")[0].startswith("column v is a variant")
    assert of("geometry(4326)") == ["column v has a type that cannot be fingerprinted: geometry(4326)"]
    assert of({"type": "udt", "class": "x"})[0].startswith("column v is a user-defined type")
    assert of("string", __COLLATIONS={"v": "icu.UNICODE_CI"})[0].startswith("column v has a collation")
    assert of("interval day to second") == of("interval year to month") == of("decimal(38,10)") == []
    assert refusals({"type": "struct", "fields": []}) == ["the result has no columns"]


def test_refuses_a_session_where_a_built_in_function_was_replaced(spark):
    session = spark.newSession()
    session.udf.register("size", lambda x: 1)
    with pytest.raises(Refused) as error:
        fingerprint(session.range(1))
    assert "function size of Spark was replaced" in str(error.value)
