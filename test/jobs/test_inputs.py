"""Inputs: exactly the listed files, with the recorded schema and options."""

import os

import pytest
from conftest import failed, succeeded


def written(bench, query, *by):
    return succeeded(
        bench.sql(query, outputs=[{"name": "out", "format": "parquet", "partitionBy": list(by), "options": {}}])
    )


def test_reads_only_the_listed_files(bench):
    output = written(bench, "SELECT id, id % 4 AS k FROM range(40)", "k")
    entry = bench.input_of(output)
    entry["files"] = [file for file in entry["files"] if "/k=1/" in file or "/k=3/" in file]
    got = succeeded(bench.sql("SELECT DISTINCT k FROM input_0 ORDER BY k", inputs=[entry]))
    assert [row["k"] for row in bench.rows(got)] == [1, 3]


def test_partition_columns_keep_type_and_place(bench):
    output = written(bench, "SELECT '01' AS month, id FROM range(2)", "month")
    with_schema = succeeded(bench.sql("SELECT * FROM input_0", inputs=[bench.input_of(output)]))
    assert [f["name"] for f in with_schema["schema"]["fields"]] == ["month", "id"]
    assert {row["month"] for row in bench.rows(with_schema)} == {"01"}
    # what Spark makes of it by itself
    without = succeeded(bench.sql("SELECT * FROM input_0", inputs=[dict(bench.input_of(output), schema=None)]))
    assert {row["month"] for row in bench.rows(without)} == {1}


def test_key_value_directories_count_without_being_declared(bench, spark):
    location = f"file://{bench.root}/plain"
    spark.range(6).selectExpr("id", "id % 2 AS k").write.partitionBy("k").parquet(location)
    files = [
        os.path.join("file://" + folder, name)
        for folder, _, names in os.walk(location[len("file://") :])
        for name in names
        if name.endswith(".parquet")
    ]
    got = succeeded(
        bench.sql("SELECT sum(k) AS s FROM input_0", inputs=[bench.input_files("parquet", location, files)])
    )
    assert bench.rows(got)[0]["s"] == 3


def test_names_with_pattern_characters_are_names(bench, spark):
    location = f"file://{bench.root}/odd {{a,b}} [x] %41"
    spark.range(3).coalesce(1).write.parquet(location)
    os.mkdir(str(bench.root / "odd a [x] %41"))
    (name,) = [n for n in os.listdir(location[len("file://") :]) if n.startswith("part-")]
    entry = bench.input_files("parquet", location, [location + "/" + name])
    assert succeeded(bench.run("fingerprint", inputs=[entry]))["rows"] == 3


@pytest.mark.parametrize(
    "kind, text, options",
    [
        ("csv", "id;name\n1;a\n2;\n", {"header": "true", "sep": ";", "inferSchema": "true"}),
        ("json", '{"id":1,"name":"a"}\n{"id":2,"name":null}\n', {}),
    ],
)
def test_text_formats_with_options(bench, kind, text, options):
    path = bench.root / ("data." + kind)
    path.write_text(text)
    location = f"file://{path}"
    entry = bench.input_files(kind, location, [location], options=options)
    got = succeeded(bench.sql("SELECT name FROM input_0 WHERE id = 2", inputs=[entry]))
    assert [row["name"] for row in bench.rows(got)] == [None]
    schema = {
        "type": "struct",
        "fields": [{"name": n, "type": "string", "nullable": True, "metadata": {}} for n in ("id", "name")],
    }
    got = succeeded(bench.sql("SELECT id FROM input_0 WHERE id = '1'", inputs=[dict(entry, schema=schema)]))
    assert [row["id"] for row in bench.rows(got)] == ["1"]


def test_orc(bench, spark):
    location = f"file://{bench.root}/orc"
    spark.range(5).coalesce(1).write.orc(location)
    (name,) = [n for n in os.listdir(location[len("file://") :]) if n.endswith(".orc")]
    entry = bench.input_files("orc", location, [location + "/" + name])
    assert succeeded(bench.run("fingerprint", inputs=[entry]))["rows"] == 5


@pytest.mark.parametrize("with_schema", [True, False])
def test_a_missing_file_is_the_clusters_fault(bench, with_schema):
    entry = bench.input_of(written(bench, "SELECT 1 AS a"))
    os.remove(entry["files"][0][len("file://") :])
    manifest = bench.sql("SELECT * FROM input_0", inputs=[entry if with_schema else dict(entry, schema=None)])
    assert entry["files"][0].rsplit("/", 1)[1] in failed(manifest, "cluster")["message"]


def test_a_file_that_goes_away_during_the_body_is_the_clusters_fault(bench):
    entry = bench.input_of(written(bench, "SELECT 1 AS a"))
    source = "import os\ndef run(ctx):\n    os.remove(ctx.params['victim'])\n    return ctx.inputs['input_0']\n"
    manifest = bench.python(source, inputs=[entry], params={"victim": entry["files"][0][len("file://") :]})
    failed(manifest, "cluster")


def test_no_files_and_no_schema_says_so(bench):
    manifest = bench.sql("SELECT 1 a FROM input_0", inputs=[bench.input_files("csv", "file:///nowhere", [])])
    assert "input input_0: no files and no schema to read file:///nowhere with" in manifest["error"]["message"]


def test_fingerprint_of_files_that_spark_wrote_by_itself(bench, spark):
    location = f"file://{bench.root}/theirs"
    frame = spark.range(100).selectExpr("id", "timestamp_micros(id) t")
    frame.coalesce(1).write.parquet(location)
    (name,) = [n for n in os.listdir(location[len("file://") :]) if n.startswith("part-")]
    entry = bench.input_files("parquet", location, [location + "/" + name])
    got = succeeded(bench.run("fingerprint", inputs=[entry]))
    assert (got["name"], got["rows"], got["files"], got["location"]) == ("input_0", 100, [], "")
    from firesteel_fingerprint import fingerprint

    assert (100, got["fingerprint"]) == fingerprint(frame)


def test_fingerprint_refuses_what_it_cannot_hash(bench, spark):
    path = bench.root / "v.json"
    path.write_text('{"a":{"b":[{}]}}\n')
    location = f"file://{path}"
    schema = {
        "type": "struct",
        "fields": [
            {
                "name": "a",
                "nullable": True,
                "metadata": {},
                "type": {"type": "array", "elementType": "void", "containsNull": True},
            }
        ],
    }
    error = failed(bench.run("fingerprint", inputs=[bench.input_files("json", location, [location], schema=schema)]))
    assert "column a.element has no type" in error["message"]


def test_fingerprints_of_what_an_application_wrote_in_one_run(bench, spark):
    root = f"file://{bench.root}"
    frame = spark.createDataFrame([(1, "a", "01"), (2, None, "02")], "id BIGINT, name STRING, month STRING")
    frame.write.partitionBy("month").parquet(root + "/parted")
    frame.write.option("header", "true").csv(root + "/text")
    frame.select("id").write.parquet(root + "/grown")
    frame.write.mode("append").parquet(root + "/grown")
    ddl = "id BIGINT, name STRING, month STRING"

    def entry(name, kind, **members):
        folder = str(bench.root / name)
        found = [os.path.join(at, n) for at, _, names in os.walk(folder) for n in names if n.startswith("part-")]
        return bench.input_files(kind, "file://" + folder, ["file://" + f for f in sorted(found)], name, **members)

    options = {"header": "true", "mode": "FAILFAST"}
    manifest = bench.run(
        "fingerprint",
        inputs=[
            entry("parted", "parquet", schema=ddl),
            entry("text", "csv", schema=ddl, options=options),
            entry("grown", "parquet", options={"mergeSchema": "true"}),
            bench.input_files("parquet", root + "/none", [], "none", schema=ddl),
        ],
    )
    assert manifest["status"] == "succeeded", manifest.get("error")
    parted, text, grown, none = manifest["outputs"]
    assert [one["name"] for one in manifest["outputs"]] == ["parted", "text", "grown", "none"]
    # the same rows whatever the format
    assert parted["fingerprint"] == text["fingerprint"]
    assert [field["name"] for field in parted["schema"]["fields"]] == ["id", "name", "month"]
    assert (grown["rows"], len(grown["schema"]["fields"])) == (4, 3)
    assert (none["rows"], none["schema"]["fields"][0]["type"]) == (0, "long")


def test_what_does_not_fit_its_schema_is_refused(bench):
    path = bench.root / "bad.csv"
    path.write_text("1,a\nx,b\n")
    location = f"file://{path}"
    options = {"mode": "FAILFAST"}
    entry = bench.input_files("csv", location, [location], "bad", schema="id BIGINT, name STRING", options=options)
    error = failed(bench.run("fingerprint", inputs=[entry]))
    assert "FAILFAST" in error["message"] or "MALFORMED" in error["message"].upper()
    none = bench.input_files("csv", location, [location], "bad", schema="id BIGNIT, name")
    assert "schema 'id BIGNIT, name' is none" in failed(bench.run("fingerprint", inputs=[none]))["message"]
