"""One real Spark session (local[2]) for the whole run, and a way to run a spec through the harness."""

import json
import os
import sys
import tempfile

import hypothesis
import hypothesis.configuration
import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
JOBS = os.path.join(HERE, "..", "..", "jobs")
sys.dont_write_bytecode = True
sys.path[:0] = [os.path.abspath(JOBS), HERE]

# its notes would be kept in the current directory; with this they are not written
hypothesis.configuration.set_hypothesis_home_dir(os.devnull)
hypothesis.settings.register_profile(
    "jobs", deadline=None, database=None, print_blob=True, suppress_health_check=list(hypothesis.HealthCheck)
)
hypothesis.settings.load_profile("jobs")


@pytest.fixture(scope="session")
def spark():
    """The session of the test run; UTC, quiet, nothing kept on disk."""
    # the Python of the workers must be this one
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    from pyspark.sql import SparkSession

    with tempfile.TemporaryDirectory(prefix="firesteel-jobs-") as home:
        settings = {
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dlog4j2.level=OFF",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.sql.shuffle.partitions": "2",
            "spark.default.parallelism": "2",
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.warehouse.dir": os.path.join(home, "warehouse"),
            "spark.local.dir": os.path.join(home, "local"),
        }
        builder = SparkSession.builder.master("local[2]").appName("firesteel-jobs-tests")
        for name, value in settings.items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("OFF")
        yield session
        session.stop()


class Bench:
    """Runs specs under one directory; each in a session of its own, like one driver start each."""

    def __init__(self, spark, root):
        self.spark = spark
        self.root = root
        self.attempts = 0

    def run(self, kind, **members):
        """Runs a spec of this kind and returns the manifest as a reader finds it on disk."""
        import firesteel_harness

        self.attempts += 1
        attempt = f"a{self.attempts}"
        base = f"file://{self.root}/attempts/{attempt}"
        spec = {
            "version": 1,
            "attempt": attempt,
            "base": base,
            "kind": kind,
            "inputs": [],
            "outputs": []
            if kind == "fingerprint"
            else [{"name": "out", "format": "parquet", "partitionBy": [], "options": {}}],
            "conf": {
                "spark.sql.session.timeZone": "UTC",
                "spark.sql.ansi.enabled": "true",
                "spark.sql.caseSensitive": "false",
            },
        }
        spec.update(members)
        path = self.root / (attempt + ".json")
        path.write_text(json.dumps(spec), encoding="utf-8")
        returned = firesteel_harness.run(f"file://{path}", self.spark.newSession())
        with open("{0}/{1}/manifest.json".format(base[len("file://") :], returned["driver"]), encoding="utf-8") as file:
            manifest = json.load(file)
        assert manifest == returned
        return manifest

    def sql(self, text, parameters=(), **members):
        """Runs a query; `output` members as keywords."""
        return self.run("sql", sql=text, parameters=list(parameters), **members)

    def python(self, source, **members):
        """Runs a Python file with this text."""
        path = self.root / f"body-{self.attempts + 1}.py"
        path.write_text(source, encoding="utf-8")
        return self.run("pyspark", file=f"file://{path}", pyFiles=[], **members)

    def input_of(self, output, name="input_0"):
        """The `inputs` entry that reads an output of a manifest."""
        return {
            "name": name,
            "format": output["format"],
            "location": output["location"],
            "files": [output["location"] + "/" + file["path"] for file in output["files"]],
            "options": {},
            "schema": output["schema"],
            "partitionBy": output["partitionBy"],
        }

    def input_files(self, kind, location, files, name="input_0", **members):
        """An `inputs` entry for files that no harness wrote."""
        entry = {
            "name": name,
            "format": kind,
            "location": location,
            "files": files,
            "options": {},
            "schema": None,
            "partitionBy": [],
        }
        entry.update(members)
        return entry

    def rows(self, output):
        """The rows of an output, read with plain PySpark."""
        frame = self.spark.read.parquet(output["location"][len("file://") :])
        return frame.collect()


@pytest.fixture
def bench(spark, tmp_path):
    return Bench(spark, tmp_path)


def succeeded(manifest):
    """The only output of a manifest that must say success."""
    assert manifest["status"] == "succeeded", manifest.get("error")
    (output,) = manifest["outputs"]
    return output


def failed(manifest, kind="user"):
    """The error of a manifest that must say failure of this class."""
    assert manifest["status"] == "failed"
    assert manifest["outputs"] == []
    assert manifest["error"]["class"] == kind, manifest["error"]
    return manifest["error"]
