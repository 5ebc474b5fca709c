"""The driver program of a bulk job: `firesteel_harness.py SPEC_URI`.

Reads the spec, runs its SQL or Python body, writes the outputs under a location of this driver start alone, and last
of all the manifest, which lists the files and their fingerprints and proves success. Prints one line a phase. Exit
code 0 on success, 1 on failure; a failure has a manifest too, unless there was no session or no readable spec.

Needs PySpark 3.4 or later on Python 3.8 or later, and the other firesteel_*.py files beside it or in `pyFiles`.
"""

import contextlib
import datetime
import json
import secrets
import sys
import time

import firesteel_body
import firesteel_outputs
from firesteel_failure import Lost, Refused, describe
from firesteel_files import Files
from firesteel_fingerprint import fingerprint, require, schema_of
from firesteel_inputs import read, register


def main(argv):
    """Runs the spec named on the command line in a session of its own and returns the exit code."""
    if len(argv) != 2:
        print("usage: firesteel_harness.py SPEC_URI", file=sys.stderr)
        return 2
    started = time.time()
    from pyspark.sql import SparkSession

    spark = None
    try:
        spark = SparkSession.builder.getOrCreate()
        manifest = run(argv[1], spark, started)
    except Exception as error:  # noqa: BLE001 - there is no manifest that could tell it
        report(error, "session" if spark is None else "manifest")
        return 1
    finally:
        if spark is not None:
            with contextlib.suppress(Exception):
                # the JVM may be gone, and what matters is told
                spark.stop()
    return 0 if manifest["status"] == "succeeded" else 1


def set_group(context, group):
    """Shows whose Spark jobs these are: by the job group, as long as it is nobody else's."""
    context.setJobGroup(group["id"], group["description"])


def report(error, phase):
    """Prints a failure of which there is no manifest, as one line of JSON for the orchestrator and as text for people.

    Settings that Spark refuses when it starts are the request's fault: class `submit`.
    """
    told = describe(error, phase)
    if phase == "session" and told["class"] == "user":
        told["class"] = "submit"
    print(told["traceback"], flush=True)
    print("firesteel: failure " + json.dumps(told), flush=True)


def run(spec_uri, spark, started=None):
    """Runs one spec in a session and returns the manifest that was written; the session is left running.

    A session that runs several specs should give each `spark.newSession()`, which has views and settings of its own.
    Raises only when no manifest can be written: an unreadable spec, or a file system that refuses.
    """
    files = Files(spark)
    return run_spec(json.loads(files.read(spec_uri).decode("utf-8")), spark, files, started or time.time())


def run_spec(spec, spark, files, started, label=set_group):
    """As `run`, of a spec that was read."""
    driver = secrets.token_hex(8)
    location = "{0}/{1}".format(spec["base"], driver)
    manifest = {
        "version": 1,
        "attempt": spec["attempt"],
        "driver": driver,
        "appId": spark.sparkContext.applicationId,
        "spark": spark.version,
        "status": "failed",
        "startedAt": _iso(started),
        "endedAt": None,
        "timings": {},
        "outputs": [],
    }
    phases = _Phases(manifest["timings"])
    phases.record("session", time.time() - started)
    body_file = firesteel_body.file_name(spec["file"]) if spec.get("kind") == "pyspark" else None
    try:
        manifest["outputs"] = _work(spec, spark, files, location, phases, label)
        manifest["status"] = "succeeded"
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it was, the manifest tells it
        manifest["error"] = describe(error, phases.current, spec.get("kind") == "sql", body_file)
        print(
            "firesteel: failed in {0}: {1}\n{2}".format(
                phases.current, manifest["error"]["message"], manifest["error"]["traceback"]
            ),
            flush=True,
        )
    manifest["endedAt"] = _iso(time.time())
    files.write_once(location + "/manifest.json", json.dumps(manifest).encode("utf-8"))
    print("firesteel: {0}; manifest {1}/manifest.json".format(manifest["status"], location), flush=True)
    return manifest


def _work(spec, spark, files, location, phases, label):
    """Everything between the spec and the manifest: the `outputs` of a success."""
    if spec["version"] != 1:
        raise Refused("spec version {0} is not supported; this harness knows 1".format(spec["version"]))
    kind = spec["kind"]
    _configure(spark, spec)
    if "group" in spec:
        label(spark.sparkContext, spec["group"])
    with phases("read"):
        inputs = {entry["name"]: read(spark, entry) for entry in spec["inputs"]}
    if kind == "fingerprint":
        with phases("fingerprint"):
            return [_fingerprint_entry(entry, inputs[entry["name"]]) for entry in spec["inputs"]]
    if kind not in ("sql", "pyspark"):
        raise Refused(f"spec kind is unknown: {kind}")
    with phases("body"):
        for name, frame in inputs.items():
            register(name, frame)
        try:
            frames = _body(spec, spark, files, inputs)
        finally:
            if spark.sparkContext._jsc is None:
                raise Refused("run() stopped the Spark session; the harness does that in the end")
        for output in spec["outputs"]:
            firesteel_outputs.check(frames[output["name"]], output)
    entries = []
    for output in spec["outputs"]:
        frame = frames[output["name"]]
        # the body may have changed them
        _configure(frame.sparkSession, spec)
        target = "{0}/{1}".format(location, output["name"])
        entries.append(firesteel_outputs.write(spark, files, frame, output, target, phases))
    return entries


def _body(spec, spark, files, inputs):
    if spec["kind"] == "sql":
        return {spec["outputs"][0]["name"]: firesteel_body.run_sql(spark, spec["sql"], spec.get("parameters", []))}
    run_function = firesteel_body.load(files.read(spec["file"]), firesteel_body.file_name(spec["file"]))
    context = firesteel_body.Context(spark, inputs, spec.get("params", {}), spec["attempt"])
    return firesteel_body.run_python(run_function, context, [output["name"] for output in spec["outputs"]])


def _fingerprint_entry(entry, frame):
    try:
        require(frame)
    except Refused as error:
        raise Refused("{0}: {1}".format(entry["name"], error)) from error
    rows, folded = fingerprint(frame)
    return {
        "name": entry["name"],
        "location": "",
        "format": entry["format"],
        "partitionBy": entry.get("partitionBy", []),
        "schema": schema_of(frame),
        "rows": rows,
        "fingerprint": folded,
        "files": [],
    }


def _configure(spark, spec):
    for name, value in {**firesteel_outputs.CONF, **spec.get("conf", {})}.items():
        if spark.conf.get(name, None) == value:
            continue
        try:
            spark.conf.set(name, value)
        except Exception as error:
            # another attempt may have an application of its own, which is started with it
            raise Lost(f"a running session cannot be given {name}: {error}") from error


class _Phases:
    """Times the phases of a run, prints one line for each and knows the one that an exception ended."""

    def __init__(self, timings):
        self._timings = timings
        self.current = "session"

    @contextlib.contextmanager
    def __call__(self, phase):
        self.current = phase
        print(f"firesteel: {phase} ...", flush=True)
        began = time.time()
        try:
            yield
        finally:
            self.record(phase, time.time() - began)

    def record(self, phase, seconds):
        self._timings[phase] = round(self._timings.get(phase, 0) + seconds, 3)
        print(f"firesteel: {phase} took {seconds:.1f} s", flush=True)


def _iso(seconds):
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


if __name__ == "__main__":
    sys.exit(main(sys.argv))
