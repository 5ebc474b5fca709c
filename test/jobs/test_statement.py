"""Statements of a session: the same run as a batch's, once, and nothing of one is seen by the next."""

import builtins
import glob
import json
import sys

import firesteel_body
import firesteel_statement
import pytest
from conftest import failed, succeeded


class Session:
    """A warm session: runs specs as statements, one after the other."""

    def __init__(self, bench, capsys):
        self.bench = bench
        self.capsys = capsys
        self.attempts = 0

    def run(self, kind, **members):
        """Runs a spec as a statement; gives its manifest (None when it left none) and what it printed."""
        self.attempts += 1
        base = f"file://{self.bench.root}/statements/{self.attempts}"
        spec = {
            "version": 1,
            "attempt": f"s{self.attempts}",
            "base": base,
            "kind": kind,
            "inputs": [],
            "outputs": [{"name": "out", "format": "parquet", "partitionBy": [], "options": {}}],
            "conf": {"spark.sql.session.timeZone": "UTC"},
        }
        spec.update(members)
        self.path = self.bench.root / f"statement-{self.attempts}.json"
        self.path.write_text(json.dumps(spec), encoding="utf-8")
        return self.again(base)

    def again(self, base):
        """Runs the last spec once more."""
        self.capsys.readouterr()
        firesteel_statement.run(self.bench.spark, f"file://{self.path}")
        printed = self.capsys.readouterr().out
        found = sorted(glob.glob(base[len("file://") :] + "/*/manifest.json"))
        manifests = [json.loads(open(path, encoding="utf-8").read()) for path in found]
        return (manifests[-1] if manifests else None), printed

    def sql(self, text, **members):
        return self.run("sql", sql=text, parameters=[], **members)

    def python(self, body, **members):
        """Runs a Python file whose `run(ctx)` has this body."""
        lines = "".join(f"    {line}\n" for line in body.split("\n"))
        file = self.bench.root / f"statement-body-{self.attempts + 1}.py"
        file.write_text("def run(ctx):\n" + lines, encoding="utf-8")
        return self.run("pyspark", file=f"file://{file}", pyFiles=[], **members)


@pytest.fixture
def session(bench, capsys, monkeypatch):
    monkeypatch.setattr(firesteel_statement, "_shared", None)
    monkeypatch.setitem(sys.modules, firesteel_body.MODULE, firesteel_body)
    firesteel_statement.warm(bench.spark)
    assert "session is ready" in capsys.readouterr().out
    return Session(bench, capsys)


ENDS = firesteel_statement.SESSION_ENDS
RANGE = "return ctx.spark.range(3)"


def test_gives_what_a_batch_gives(session, bench):
    text = "SELECT id, CAST(id AS STRING) AS text, NULL AS n FROM range(100)".replace("NULL", "CAST(NULL AS INT)")
    manifest, printed = session.sql(text)
    mine, theirs = succeeded(manifest), succeeded(bench.sql(text))
    assert {**mine, "location": "", "files": len(mine["files"])} == {
        **theirs,
        "location": "",
        "files": len(theirs["files"]),
    }
    assert set(manifest) == set(bench.sql(text))
    assert "firesteel: succeeded" in printed and ENDS not in printed


def test_runs_an_attempt_once(session, bench):
    session.sql("SELECT 1 AS a")
    base = f"file://{bench.root}/statements/1"
    _, printed = session.again(base)
    assert "was begun before and is not run again" in printed
    assert len(glob.glob(f"{bench.root}/statements/1/*/manifest.json")) == 1


def test_tells_of_a_failure_and_goes_on(session):
    manifest, printed = session.sql("SELECT nope")
    assert failed(manifest)["class"] == "user"
    assert ENDS not in printed
    succeeded(session.sql("SELECT 1 AS a")[0])


def test_settings_views_functions_and_database_end_with_it(session):
    manifest, printed = session.python(
        "from pyspark.sql.functions import udf\n"
        "s = ctx.spark\n"
        "s.conf.set('spark.sql.session.timeZone', 'Asia/Tokyo')\n"
        "s.conf.set('spark.sql.ansi.enabled', 'true')\n"
        "s.range(1).createOrReplaceTempView('mine')\n"
        "s.range(1).createOrReplaceGlobalTempView('ours')\n"
        "s.range(1).cache().count()\n"
        "s.udf.register('twice', lambda n: n * 2, 'int')\n"
        "s.sql('CREATE DATABASE IF NOT EXISTS other')\n"
        "s.sql('USE other')\n" + RANGE
    )
    succeeded(manifest)
    assert ENDS not in printed
    manifest, printed = session.python(
        "s = ctx.spark\n"
        "assert s.conf.get('spark.sql.session.timeZone') == 'UTC'\n"
        "assert s.conf.get('spark.sql.ansi.enabled') != 'true'\n"
        "assert not s.catalog.tableExists('mine')\n"
        "assert not s.catalog.tableExists('global_temp.ours')\n"
        "assert not s.catalog.functionExists('twice')\n"
        "assert s.catalog.currentDatabase() == 'default'\n"
        "assert s.sparkContext._jsc.getPersistentRDDs().size() == 0\n" + RANGE
    )
    succeeded(manifest)
    session.sql("DROP DATABASE other")


def test_a_builder_gives_its_own_session(session):
    manifest, _ = session.python(
        "from pyspark.sql import SparkSession\n"
        "s = SparkSession.builder.getOrCreate()\n"
        "assert s._jsparkSession.equals(ctx.spark._jsparkSession)\n"
        "assert SparkSession.getActiveSession()._jsparkSession.equals(ctx.spark._jsparkSession)\n"
        "return s.sql('SELECT current_timezone() AS zone')",
        conf={"spark.sql.session.timeZone": "Asia/Tokyo"},
    )
    succeeded(manifest)


def test_puts_back_what_python_changed(session):
    place = session.bench.root / "modules"
    place.mkdir()
    (place / "found_there.py").write_text("x = 1\n", encoding="utf-8")
    manifest, printed = session.python(
        "import os, sys, decimal, locale\n"
        f"sys.path.insert(0, {str(place)!r})\n"
        "import found_there\n"
        "os.environ['LEFT'] = 'x'\n"
        "os.chdir('/')\n"
        "sys.setrecursionlimit(5000)\n"
        "decimal.getcontext().prec = 3\n" + RANGE
    )
    succeeded(manifest)
    assert ENDS not in printed
    manifest, _ = session.python(
        "import os, sys, decimal\n"
        f"assert {str(place)!r} not in sys.path and 'found_there' not in sys.modules\n"
        "assert 'LEFT' not in os.environ and os.getcwd() != '/'\n"
        "assert sys.getrecursionlimit() != 5000 and decimal.getcontext().prec == 28\n" + RANGE
    )
    succeeded(manifest)
    assert sys.modules[firesteel_body.MODULE] is firesteel_body


@pytest.mark.parametrize(
    "body, undo, why",
    [
        (
            "import builtins\nbuiltins.kept = builtins.divmod\nbuiltins.divmod = lambda a, b: 7",
            lambda spark: setattr(builtins, "divmod", builtins.kept),
            "replaced: builtins.divmod",
        ),
        (
            "from pyspark.sql import DataFrame\nDataFrame.kept = DataFrame.count\nDataFrame.count = lambda self: 7",
            lambda spark: setattr(type(spark.range(1)), "count", type(spark.range(1)).kept),
            "replaced: ",
        ),
        (
            "ctx.spark.sparkContext._jsc.hadoopConfiguration().set('left', 'x')",
            lambda spark: spark.sparkContext._jsc.hadoopConfiguration().unset("left"),
            "Hadoop's configuration changed",
        ),
        (
            "ctx.spark.sparkContext._jvm.java.lang.System.setProperty('left', 'x')",
            lambda spark: spark.sparkContext._jvm.java.lang.System.clearProperty("left"),
            "a system property changed",
        ),
        (
            "import threading\nctx.spark.sparkContext._hold = threading.Event()\n"
            "threading.Thread(target=ctx.spark.sparkContext._hold.wait, name='left').start()",
            lambda spark: spark.sparkContext._hold.set(),
            "threads still run: left",
        ),
    ],
)
def test_says_what_cannot_be_put_back(session, spark, body, undo, why):
    try:
        manifest, printed = session.python(body + "\n" + RANGE)
    finally:
        undo(spark)
    succeeded(manifest)
    assert printed.rstrip().split("\n")[-1].startswith(ENDS + why)


def test_a_setting_that_only_an_application_can_have_is_for_another_attempt(session):
    manifest, printed = session.sql("SELECT 1 AS a", conf={"spark.sql.warehouse.dir": "/elsewhere"})
    error = failed(manifest, "cluster")
    assert "spark.sql.warehouse.dir" in error["message"]
    assert ENDS not in printed


def test_keeps_the_end_of_what_it_prints(session):
    _, printed = session.python("for i in range(100000): print('line', i)\n" + RANGE)
    assert len(printed) < firesteel_statement.LONGEST + 1000
    assert "line 99999\n" in printed and "line 5\n" not in printed


def test_leaves_the_job_group_to_livy(session, spark):
    spark.sparkContext.setJobGroup("livy-7", "Job group for statement 7")
    manifest, _ = session.sql("SELECT id FROM range(3)", group={"id": "x2", "description": "whose"})
    succeeded(manifest)
    assert len(spark.sparkContext.statusTracker().getJobIdsForGroup("x2")) == 0
    assert len(spark.sparkContext.statusTracker().getJobIdsForGroup("livy-7")) > 0
    assert spark.sparkContext.getLocalProperty("spark.job.description") == "Job group for statement 7"
