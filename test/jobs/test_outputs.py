"""Outputs: what is written, what is listed, what is refused, and what happens when Spark counts a stage twice."""

import os

import firesteel_fingerprint
import pytest
from conftest import failed, succeeded


def partitioned(*columns, **options):
    return [{"name": "out", "format": "parquet", "partitionBy": list(columns), "options": options}]


def test_lists_files_with_bytes_and_rows(bench):
    output = succeeded(
        bench.sql("SELECT id, id % 3 AS k FROM range(0, 10, 1, 4)", outputs=partitioned("k", compression="zstd"))
    )
    root = output["location"][len("file://") :]
    on_disk = sorted(
        os.path.relpath(os.path.join(folder, name), root)
        for folder, _, names in os.walk(root)
        for name in names
        if not name.startswith((".", "_"))
    )
    assert [file["path"] for file in output["files"]] == on_disk
    assert all(os.path.getsize(os.path.join(root, file["path"])) == file["bytes"] for file in output["files"])
    assert {file["path"].split("/")[0] for file in output["files"]} == {"k=0", "k=1", "k=2"}
    assert all(".zstd." in file["path"] for file in output["files"])
    assert sum(file["rows"] for file in output["files"]) == output["rows"] == 10
    assert output["partitionBy"] == ["k"]


AWKWARD = [
    "01",
    "1",
    "1.0",
    "1e3",
    "true",
    "null",
    "NULL",
    "2024-01-01",
    " a ",
    "a b",
    "a/b",
    "a=b",
    "a%2Fb",
    "{x,y}",
    "[a]*?",
    "é",
    "\U0001f525",
    "\\",
    "'",
    '"',
    ".",
    "..",
    "_x",
    "a\nb",
    "#",
    "a:b",
    "+",
    "\u0001",
]


def test_text_in_partition_columns_survives(bench, spark):
    rows = [(i, text) for i, text in enumerate(AWKWARD + [None])]
    spark.createDataFrame(rows, "id int, `k=` string").createOrReplaceGlobalTempView("awkward")
    written = bench.sql("SELECT * FROM global_temp.awkward", outputs=partitioned("k="))
    again = succeeded(bench.sql("SELECT * FROM input_0", inputs=[bench.input_of(succeeded(written))]))
    assert again["fingerprint"] == succeeded(written)["fingerprint"]
    assert sorted((row[0], row[1]) for row in bench.rows(again)) == rows


@pytest.mark.parametrize("text", ["", "__HIVE_DEFAULT_PARTITION__"])
def test_refuses_text_that_would_become_null(bench, text):
    query = f"SELECT * FROM VALUES (1, 'a'), (2, '{text}'), (3, '{text}') AS t(id, region)"
    error = failed(bench.sql(query, outputs=partitioned("region")))
    assert "partition column region holds '' or '__HIVE_DEFAULT_PARTITION__' in 2 rows" in error["message"]
    assert "verify" not in error and error["traceback"] == ""
    succeeded(bench.sql(query))  # no harm in a column of the files


@pytest.mark.parametrize(
    "query, by, message",
    [
        ("SELECT 1 a, 2 b", ["c"], "partition column c is not in the result, which has a, b"),
        ("SELECT 1 a, 2 b", ["a", "b"], "every column is a partition column"),
        ("SELECT X'00' a, 2 b", ["a"], "partition column a is binary"),
        ("SELECT array(1) a, 2 b", ["a"], "partition column a is array"),
        ("SELECT INTERVAL '1' DAY a, 2 b", ["a"], "partition column a is interval day"),
        ("SELECT NULL a", [], "output out: column a has no type"),
        ("SELECT 1 a, 2 a", [], "output out: column a is there twice"),
    ],
)
def test_refuses_before_anything_is_written(bench, query, by, message):
    manifest = bench.sql(query, outputs=partitioned(*by))
    assert message in failed(manifest)["message"]
    base = "{0}/attempts/{1}/{2}".format(bench.root, manifest["attempt"], manifest["driver"])
    assert [name for name in os.listdir(base) if not name.startswith(".")] == ["manifest.json"]


def test_partition_column_names_may_differ_in_case(bench):
    assert succeeded(bench.sql("SELECT 1 AS Month, 2 AS v", outputs=partitioned("month")))["partitionBy"] == ["Month"]


@pytest.mark.parametrize("by", [[], ["b"]])
def test_no_rows_is_a_dataset_too(bench, by):
    empty = succeeded(bench.sql("SELECT 1 AS a, 'x' AS b WHERE false", outputs=partitioned(*by)))
    assert empty["rows"] == 0 and empty["fingerprint"]["sums"] == ["0"] * 4
    again = succeeded(bench.sql("SELECT a, b FROM input_0", inputs=[bench.input_of(empty)]))
    assert again["fingerprint"] == empty["fingerprint"]
    assert [f["name"] for f in again["schema"]["fields"]] == ["a", "b"]


def test_old_dates_and_microseconds_are_written_as_they_are(bench):
    query = "SELECT DATE'0001-01-01' d, TIMESTAMP'1583-01-01 00:00:00.000001' t, TIMESTAMP_NTZ'0001-01-01 00:00:00' n"
    output = succeeded(bench.sql(query))
    again = succeeded(bench.run("fingerprint", inputs=[bench.input_of(output)]))
    assert again["fingerprint"] == output["fingerprint"]


def twice(times):
    """Observed values as after a stage that ran `times` times."""
    real = firesteel_fingerprint.Observed.values

    def values(self, *args):
        got = real(self, *args)
        return {name: value if name.startswith("fs_x") else (value or 0) * times for name, value in got.items()}

    return values


def test_a_stage_counted_twice_is_found_and_the_files_are_read_again(bench, monkeypatch):
    query, by = "SELECT id, CAST(id % 3 AS STRING) k FROM range(100)", partitioned("k")
    expected = succeeded(bench.sql(query, outputs=by))
    monkeypatch.setattr(firesteel_fingerprint.Observed, "values", twice(2))
    manifest = bench.sql(query, outputs=by)
    assert "verify" in manifest["timings"]
    assert (succeeded(manifest)["rows"], succeeded(manifest)["fingerprint"]) == (100, expected["fingerprint"])


def test_dropped_observations_are_found_and_the_files_are_read_again(bench, monkeypatch):
    expected = succeeded(bench.sql("SELECT id FROM range(100)"))
    monkeypatch.setattr(firesteel_fingerprint.Observed, "values", lambda self: None)
    manifest = bench.sql("SELECT id FROM range(100)")
    assert "verify" in manifest["timings"]
    assert succeeded(manifest)["fingerprint"] == expected["fingerprint"]
    # '' can no longer be told from NULL
    assert "unchecked" in failed(bench.sql("SELECT 1 id, 'a' k", outputs=partitioned("k")), "cluster")["message"]


def test_waiting_for_observations_ends(spark):
    observed = firesteel_fingerprint.Observed(spark.range(1))
    assert observed.values(seconds=0.2) is None


def test_several_outputs(bench):
    source = (
        "def run(ctx):\n    return {'a': ctx.spark.range(3), 'b': ctx.spark.range(4).withColumnRenamed('id', 'x')}\n"
    )
    outputs = [{"name": name, "format": "parquet", "partitionBy": [], "options": {}} for name in ("b", "a")]
    manifest = bench.python(source, outputs=outputs)
    assert manifest["status"] == "succeeded"
    assert [(o["name"], o["rows"], o["location"].rsplit("/", 1)[1]) for o in manifest["outputs"]] == [
        ("b", 4, "b"),
        ("a", 3, "a"),
    ]


def test_refuses_a_stream_and_other_formats(bench):
    stream = "def run(ctx):\n    return ctx.spark.readStream.format('rate').load()\n"
    assert "is a streaming DataFrame" in failed(bench.python(stream))["message"]
    csv = [{"name": "out", "format": "csv", "partitionBy": [], "options": {}}]
    assert "the format is parquet only, not csv" in failed(bench.sql("SELECT 1", outputs=csv))["message"]


def test_settings_changed_by_the_body_do_not_reach_the_write(bench):
    source = """
def run(ctx):
    frame = ctx.spark.sql("SELECT TIMESTAMP'2024-03-31 02:30:00' AS t, 1 AS v")
    ctx.spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    return frame
"""
    output = succeeded(bench.python(source, outputs=partitioned("t")))
    assert output["files"][0]["path"].startswith("t=2024-03-31 02%3A30%3A00/")
