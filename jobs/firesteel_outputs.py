"""Output datasets: written and fingerprinted in one pass, then checked against the files' own row counts."""

from firesteel_failure import Lost, Refused
from firesteel_fingerprint import Observed, fingerprint, fold, quote, require, schema_of
from firesteel_inputs import read

CONF = {
    # values exactly as they are, readable without Spark: no INT96, no calendar rebasing of old dates
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.writeLegacyFormat": "false",
    # a file that cannot be read is a failure, never fewer rows
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.files.ignoreCorruptFiles": "false",
}
"""Session settings that the harness needs on top of a spec's own."""

NULL_DIRECTORY = "__HIVE_DEFAULT_PARTITION__"
"""Directory value that Spark writes for NULL and ''. Text that says the same would be read as NULL."""


def check(frame, spec):
    """Raises `Refused` for a DataFrame that cannot become the output `spec`; nothing has been written then."""
    name = spec["name"]
    if spec.get("format", "parquet") != "parquet":
        raise Refused("output {0}: the format is parquet only, not {1}".format(name, spec["format"]))
    if frame.isStreaming:
        raise Refused(f"output {name} is a streaming DataFrame; return one of spark.read, not spark.readStream")
    try:
        schema = require(frame)
        _partition_columns(frame, schema, spec)
    except Refused as error:
        raise Refused(f"output {name}: {error}") from error


def _partition_columns(frame, schema, spec):
    """`(name in the schema, type)` of each column of partitionBy."""
    sensitive = frame.sparkSession.conf.get("spark.sql.caseSensitive") == "true"

    def key(name):
        return name if sensitive else name.lower()

    columns = {key(field["name"]): field for field in schema["fields"]}
    found = []
    for name in spec.get("partitionBy", []):
        field = columns.get(key(name))
        if field is None:
            has = ", ".join(field["name"] for field in schema["fields"])
            raise Refused(f"partition column {name} is not in the result, which has {has}")
        kind = field["type"]
        if not isinstance(kind, str) or kind == "binary" or kind.startswith(("interval", "time(")):
            text = kind if isinstance(kind, str) else kind["type"]
            raise Refused(
                f"partition column {name} is {text}, which does not survive as a directory name; cast it to STRING"
            )
        found.append((field["name"], kind))
    if found and len(found) == len(schema["fields"]):
        raise Refused("every column is a partition column; leave at least one for the files")
    return found


def write(spark, files, frame, spec, location, timed):
    """Writes a checked DataFrame under `location` and returns its entry in the manifest's `outputs`.

    `timed(phase)` is a context manager that says which phase is running.
    """
    from pyspark.sql import functions as F

    schema = schema_of(frame)
    partitions = _partition_columns(frame, schema, spec)
    texts = [name for name, kind in partitions if kind == "string" or kind.startswith(("char", "varchar"))]
    lost_text = "count(CASE WHEN {0} IN ('', '" + NULL_DIRECTORY + "') THEN 1 END)"
    extra = [F.expr(lost_text.format(quote(n))).alias(f"fs_p{i}") for i, n in enumerate(texts)]
    with timed("write"):
        observed = Observed(frame, extra)
        writer = observed.frame.write.format("parquet").options(**spec.get("options", {})).mode("errorifexists")
        if partitions:
            writer = writer.partitionBy(*[name for name, _ in partitions])
        writer.save(location)
        values = observed.values()
    for i, name in enumerate(texts):
        if values is None:
            raise Lost(
                "output {0}: Spark dropped the observed values, so partition column {1} is unchecked".format(
                    spec["name"], name
                )
            )
        if values[f"fs_p{i}"]:
            raise Refused(
                "output {0}: partition column {1} holds '' or '{2}' in {3} rows; "
                "as a directory name both read back as NULL: write NULL, or another text".format(
                    spec["name"], name, NULL_DIRECTORY, values[f"fs_p{i}"]
                )
            )
    with timed("count"):
        listed = files.list(location)
        counts = files.parquet_rows([location + "/" + path for path, _ in listed])
    rows, folded = fold(values) if values is not None else (None, None)
    if rows != sum(counts):
        # a stage that ran twice is counted twice, while its files are there once
        print(
            "firesteel: output {0}: {1} rows observed, {2} in the files; reading them again".format(
                spec["name"], rows, sum(counts)
            ),
            flush=True,
        )
        with timed("verify"):
            again = dict(
                spec, location=location, files=[location + "/" + path for path, _ in listed], schema=schema, options={}
            )
            rows, folded = fingerprint(read(spark, again))
        if rows != sum(counts):
            raise Lost(
                "output {0}: its files changed while they were read: {1} rows, not {2}".format(
                    spec["name"], rows, sum(counts)
                )
            )
    return {
        "name": spec["name"],
        "location": location,
        "format": "parquet",
        "partitionBy": [name for name, _ in partitions],
        "schema": schema,
        "rows": rows,
        "fingerprint": folded,
        "files": [{"path": path, "bytes": size, "rows": count} for (path, size), count in zip(listed, counts)],
    }
