"""Input datasets as DataFrames: exactly the listed files, with the recorded schema.

Spark parses the values of key=value directories: without a schema `month=01` is the number 1, and the directory for
NULL, `__HIVE_DEFAULT_PARTITION__`, is also what it writes for ''. With the recorded schema '01' stays text; '' is
refused when writing.
"""

import json

from firesteel_fingerprint import quote


def read(spark, spec):
    """The DataFrame of one entry of `inputs`; its columns are in the order of the recorded schema, where there is
    one."""
    schema = spec.get("schema")
    jschema = _jschema(spark, schema) if schema else None
    if not spec["files"]:
        return _empty(spark, spec, jschema)
    reader = spark.read.format(spec["format"]).options(**spec.get("options", {}))
    # names may hold *, ? or [: they are exact names, not patterns
    reader = reader.option("__globPaths__", "false")
    base = spec["location"].rstrip("/")
    if spec.get("partitionBy") or any("=" in _directory(file, base) for file in spec["files"]):
        reader = reader.option("basePath", base)
    if jschema is not None:
        # not through PySpark's StructType, which lacks some types (year-month intervals before 3.5)
        reader._jreader = reader._jreader.schema(jschema)
    frame = reader.load(list(spec["files"]))
    if jschema is None:
        return frame
    # Spark moves partition columns to the end
    return frame.select([quote(name) for name in jschema.fieldNames()])


def _jschema(spark, schema):
    """A schema as JSON, or as DDL text that an author wrote."""
    if not isinstance(schema, str):
        return spark._jsparkSession.parseDataType(json.dumps(schema))
    from firesteel_failure import Refused

    try:
        return spark._jvm.org.apache.spark.sql.types.StructType.fromDDL(schema)
    except Exception as error:
        raise Refused("schema {0!r} is none: {1}".format(schema, str(error).split("\n")[0])) from error


def _directory(file, base):
    return file[len(base) :].rpartition("/")[0] if file.startswith(base + "/") else ""


def _empty(spark, spec, jschema):
    from pyspark.sql import DataFrame

    if jschema is None:
        raise ValueError("input {0}: no files and no schema to read {1} with".format(spec["name"], spec["location"]))
    rows = spark.sparkContext._jvm.java.util.ArrayList()
    return DataFrame(spark._jsparkSession.createDataFrame(rows, jschema), spark)


def register(name, frame):
    """Registers a DataFrame as a temporary view; any name will do."""
    frame.createOrReplaceTempView(quote(name))
