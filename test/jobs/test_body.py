"""Bodies: SQL and Python, and what each kind of failure says."""

import pytest
from conftest import failed, succeeded


def test_python_gets_its_context(bench):
    first = succeeded(bench.sql("SELECT 1 AS a"))
    source = """
from __future__ import annotations
import dataclasses

@dataclasses.dataclass
class Row:
    n: int

def twice(n):
    return Row(n * 2).n

def run(ctx):
    from pyspark.sql.functions import udf
    assert ctx.inputs["my orders"].count() == ctx.spark.table("`my orders`").count() == 1
    assert ctx.attempt.startswith("a")
    return ctx.spark.range(ctx.params["n"]).select(udf(twice, "long")("id").alias("x"))
"""
    output = succeeded(bench.python(source, inputs=[bench.input_of(first, "my orders")], params={"n": 3}))
    assert sorted(row["x"] for row in bench.rows(output)) == [0, 2, 4]


POSITIONS = [
    ("SELECT 1,\n  2 +\nFROM x y z", 3, 8),
    ("SELEC 1", 1, 1),
    ("SELECT id,\n       nope\nFROM range(3)", 2, 8),
    ("SELECT id\nFROM\n  missing", 3, 3),
    ("SELECT 1,\n  1 / id AS v FROM range(3)", 2, 3),
    ("SELECT 1,\n  CAST(concat('x', id) AS INT) AS v FROM range(3)", 2, 3),
]


@pytest.mark.parametrize("text, line, column", POSITIONS)
def test_sql_errors_have_their_place(bench, text, line, column):
    error = failed(bench.sql(text))
    assert error["position"] == {"line": line, "column": column}, error["message"]
    assert "Project" not in error["message"] and "\tat " not in error["message"]
    assert error["type"].rsplit(".", 1)[1] in error["traceback"] or "Py4JJavaError" in error["traceback"]
    assert "firesteel_" not in error["traceback"]


def test_sql_without_its_parameter(bench):
    error = failed(bench.sql("SELECT :nope AS v"))
    assert "unbound parameter: nope" in error["message"]
    # Spark 4.1 does not say where
    assert error["position"] in ({"line": 1, "column": 8}, None)


BODIES = [
    ("def run(ctx)\n    return 1\n", "line 1: expected ':'", {"line": 1, "column": 13}),
    ("def run(ctx):\n    x = = 2\n", "line 2: invalid syntax", {"line": 2, "column": 9}),
    ("x = 1\n", "run is missing; define `def run(ctx)`", None),
    ("run = 3\n", "run is not a function, but int", None),
    ("def run(ctx):\n    pass\n", "line 1: run() returned NoneType; return a DataFrame", None),
    ("\n\ndef run(ctx):\n    return [1]\n", "line 3: run() returned list", None),
    ("def run(ctx):\n    return {'out': 1}\n", "output 'out' of run() is int", None),
    (
        "def run(ctx):\n    return {'other': ctx.spark.range(1)}\n",
        "run() returned the outputs ['other'], but the task declares ['out']",
        None,
    ),
    ("async def run(ctx):\n    return 1\n", "line 1: run() is async", None),
    ("import sys\ndef run(ctx):\n    sys.exit(0)\n", "run() called sys.exit(0)", None),
    ("def run():\n    pass\n", "takes 0 positional arguments", None),
    ("import no_such_module\n", "No module named 'no_such_module'", None),
]


@pytest.mark.parametrize("source, message, position", BODIES)
def test_python_bodies_that_cannot_work(bench, source, message, position):
    error = failed(bench.python(source))
    assert message in error["message"]
    assert error["position"] == position
    if "line" in message:
        assert "body-1.py line" in error["message"]


def test_tracebacks_begin_in_the_body(bench):
    error = failed(bench.python("def inner(x):\n    return x['gone']\n\ndef run(ctx):\n    return inner({})\n"))
    assert error["type"] == "KeyError" and error["message"] == "'gone'" and error["position"] is None
    lines = error["traceback"].splitlines()
    assert lines[0].startswith("Traceback") and 'body-1.py", line 5, in run' in lines[1]
    assert "return x['gone']" in error["traceback"] and "firesteel_" not in error["traceback"]


def test_errors_inside_a_udf_carry_the_workers_traceback(bench):
    source = """
from pyspark.sql.functions import udf

def boom(n):
    raise OSError("ExecutorLostFailure said the user's own text")

def run(ctx):
    return ctx.spark.range(2).select(udf(boom, "long")("id").alias("x"))
"""
    error = failed(bench.python(source))
    assert "ExecutorLostFailure said the user's own text" in error["message"]
    assert "in boom" in error["message"] + error["traceback"]


def test_errors_of_the_body_itself_are_the_users(bench):
    failed(bench.python("def run(ctx):\n    raise FileNotFoundError('mine')\n"))
    failed(bench.python("def run(ctx):\n    return ctx.spark.read.parquet('file:///no/such/place')\n"))
    error = failed(bench.python("def run(ctx):\n    return ctx.spark.sql('SELECT\\n nope')\n"))
    assert error["position"] is None  # a place in a text that the author made, not in the task's SQL


def test_raise_error_in_the_data(bench):
    error = failed(bench.sql("SELECT IF(id = 1, raise_error('bad row'), id) AS v FROM range(3)"))
    assert "bad row" in error["message"]


def test_unknown_kinds_and_versions(bench):
    assert "spec kind is unknown: scala" in failed(bench.run("scala"))["message"]
    assert "spec version 2 is not supported" in failed(bench.sql("SELECT 1 AS v", version=2))["message"]


def test_bodies_do_not_see_each_other(bench):
    succeeded(
        bench.python(
            "leak = 1\ndef run(ctx):\n    frame = ctx.spark.range(1)\n"
            "    frame.createOrReplaceTempView('leaked')\n    return frame\n"
        )
    )
    assert "leaked" in failed(bench.sql("SELECT * FROM leaked"))["message"]
    assert "leak" in failed(bench.python("def run(ctx):\n    return leak\n"))["message"]
