"""The manifest: complete, last, written once; and the harness as a program."""

import json
import os
import re
import subprocess
import sys

import pytest
from conftest import JOBS, failed, succeeded
from firesteel_failure import CLUSTER, USER, Lost, Refused, describe
from firesteel_files import Files


def test_manifest_of_a_success(bench, spark):
    manifest = bench.sql("SELECT 1 AS a")
    assert set(manifest) == {
        "version",
        "attempt",
        "driver",
        "appId",
        "spark",
        "status",
        "startedAt",
        "endedAt",
        "timings",
        "outputs",
    }
    assert (
        manifest["version"] == 1
        and manifest["spark"] == spark.version
        and manifest["appId"] == spark.sparkContext.applicationId
    )
    assert re.fullmatch(r"[0-9a-f]{16}", manifest["driver"])
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", manifest[at]) for at in ("startedAt", "endedAt"))
    assert set(manifest["timings"]) == {"session", "read", "body", "write", "count"}
    output = succeeded(manifest)
    assert set(output) == {"name", "location", "format", "partitionBy", "schema", "rows", "fingerprint", "files"}
    assert output["location"].endswith("/{0}/{1}/out".format(manifest["attempt"], manifest["driver"]))
    assert output["schema"] == {
        "type": "struct",
        "fields": [{"name": "a", "type": "integer", "nullable": False, "metadata": {}}],
    }


def test_spark_jobs_are_grouped(bench, spark):
    succeeded(bench.sql("SELECT id FROM range(3)", group={"id": "x1", "description": "whose"}))
    assert len(spark.sparkContext.statusTracker().getJobIdsForGroup("x1")) > 0


def test_manifest_of_a_failure(bench):
    manifest = bench.sql("SELECT nope")
    assert set(failed(manifest)) == {"class", "type", "message", "position", "traceback"}


def test_schema_leaves_metadata_out(bench):
    source = (
        "from pyspark.sql import functions as F\n"
        "def run(ctx):\n    return ctx.spark.range(1).select(F.col('id').alias('v', metadata={'comment': 'x'}))\n"
    )
    assert succeeded(bench.python(source))["schema"]["fields"][0]["metadata"] == {}


def test_every_driver_start_has_its_own_place(bench):
    drivers = {bench.sql("SELECT 1 AS a")["driver"] for _ in range(2)}
    assert len(drivers) == 2


def test_a_file_is_written_once_and_whole(spark, tmp_path):
    files = Files(spark)
    location = f"file://{tmp_path}/deep/manifest.json"
    files.write_once(location, b"first")
    with pytest.raises(FileExistsError):
        files.write_once(location, b"second")
    assert files.read(location) == b"first"
    assert [n for n in os.listdir(str(tmp_path / "deep")) if not n.startswith(".")] == ["manifest.json"]


def test_fault_classes():
    class Py4JNetworkError(Exception):
        pass

    class Throwable:
        def __init__(self, kind, message, cause=None):
            self.kind, self.message, self.cause = kind, message, cause

        def getClass(self):
            return self

        def getName(self):
            return self.kind

        def getMessage(self):
            return self.message

        def getCause(self):
            return self.cause

    def java(*causes):
        node = None
        for kind, message in reversed(causes):
            node = Throwable(kind, message, node)
        error = Exception("An error occurred while calling o1.save")
        error.java_exception = node
        return error

    spark_error = "org.apache.spark.SparkException"
    table = [
        (Refused("x"), "write", USER),
        (Lost("x"), "body", CLUSTER),
        (ValueError("x"), "body", USER),
        (Py4JNetworkError("x"), "body", CLUSTER),
        (
            java(
                (
                    spark_error,
                    "Job aborted: ExecutorLostFailure (executor 1 exited ...) Reason: Container killed",
                )
            ),
            "body",
            CLUSTER,
        ),
        (
            java(
                (
                    spark_error,
                    "Job aborted: ShuffleMapStage 1 has failed the maximum allowable number of times: 4",
                )
            ),
            "write",
            CLUSTER,
        ),
        (java((spark_error, "Job 3 cancelled because SparkContext was shut down")), "write", CLUSTER),
        (
            java((spark_error, "[TASK_WRITE_FAILED] Task failed"), ("java.io.IOException", "No space left on device")),
            "write",
            CLUSTER,
        ),
        (
            java(
                (spark_error, "[TASK_WRITE_FAILED] Task failed"),
                ("java.io.FileNotFoundException", "k=x (File name too long)"),
            ),
            "write",
            USER,
        ),
        (
            java((spark_error, "Job aborted"), ("org.apache.hadoop.fs.s3a.AWSStatus500Exception", "503")),
            "write",
            CLUSTER,
        ),
        (
            java(
                (spark_error, "[TASK_WRITE_FAILED] Task failed"),
                ("org.apache.spark.SparkArithmeticException", "[DIVIDE_BY_ZERO]"),
            ),
            "write",
            USER,
        ),
        (
            java(
                (spark_error, "[TASK_WRITE_FAILED]"),
                ("org.apache.spark.api.python.PythonException", "... FetchFailed ..."),
            ),
            "write",
            USER,
        ),
    ]
    for error, phase, expected in table:
        assert describe(error, phase)["class"] == expected, error
    told = describe(table[10][0], "write")
    assert (told["type"], told["message"]) == ("org.apache.spark.SparkArithmeticException", "[DIVIDE_BY_ZERO]")


def test_long_messages_are_cut():
    assert len(describe(ValueError("x" * 10**6), "body")["message"]) < 70000


def program(cwd, *args):
    env = dict(os.environ, PYSPARK_PYTHON=sys.executable, SPARK_LOCAL_IP="127.0.0.1", PYTHONDONTWRITEBYTECODE="1")
    env["PYSPARK_SUBMIT_ARGS"] = (
        "--master local[1] --conf spark.ui.enabled=false --conf spark.ui.showConsoleProgress=false "
        "--conf spark.driver.extraJavaOptions=-XX:TieredStopAtLevel=1 pyspark-shell"
    )
    return subprocess.run(
        [sys.executable, os.path.join(JOBS, "firesteel_harness.py")] + list(args),
        env=env,
        cwd=str(cwd),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )


@pytest.mark.parametrize(
    "source, code",
    [
        ("def run(ctx):\n    return ctx.spark.range(2)\n", 0),
        ("def run(ctx):\n    ctx.spark.stop()\n    return ctx.spark.range(2)\n", 1),
        ("def run(ctx):\n    frame = ctx.spark.range(2)\n    ctx.spark.stop()\n    return frame\n", 1),
    ],
)
def test_as_a_program(tmp_path, source, code):
    (tmp_path / "body.py").write_text(source)
    spec = {
        "version": 1,
        "attempt": "p",
        "base": f"file://{tmp_path}/p",
        "kind": "pyspark",
        "inputs": [],
        "file": f"file://{tmp_path}/body.py",
        "pyFiles": [],
        "params": {},
        "outputs": [{"name": "out", "format": "parquet", "partitionBy": [], "options": {}}],
        "conf": {},
    }
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    done = program(tmp_path, f"file://{tmp_path}/spec.json")
    assert done.returncode == code, done.stderr
    (driver,) = os.listdir(str(tmp_path / "p"))
    manifest = json.loads((tmp_path / "p" / driver / "manifest.json").read_text())
    assert manifest["status"] == ("failed" if code else "succeeded")
    assert "firesteel: {0}; manifest ".format(manifest["status"]) in done.stdout
    if code:
        assert "stop" in manifest["error"]["message"] and manifest["error"]["class"] == "user"


def test_as_a_program_without_a_spec(tmp_path):
    assert program(tmp_path).returncode == 2
    done = program(tmp_path, f"file://{tmp_path}/none.json")
    assert done.returncode == 1
    (told,) = (line for line in done.stdout.splitlines() if line.startswith("firesteel: failure "))
    told = json.loads(told[len("firesteel: failure ") :])
    assert "none.json" in told["message"]
