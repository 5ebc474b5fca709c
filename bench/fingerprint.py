"""What the fingerprint adds to a write: 5,000,000 cached rows of five columns, written with it and without it, alternating, medians in seconds as one JSON line."""

import json
import os
import shutil
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "jobs"))
sys.dont_write_bytecode = True

from firesteel_fingerprint import Observed  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402

ROWS = 5_000_000
RUNS = 5

spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.memory", "3g")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")
frame = spark.range(ROWS).selectExpr(
    "id", "id % 97 AS k", "cast(id AS string) AS name", "rand(1) AS x", "date_add(date'2020-01-01', cast(id % 3000 AS int)) AS day"
)
frame = frame.cache()
frame.count()
folder = tempfile.mkdtemp(prefix="firesteel-bench-")
try:

    def seconds(fingerprinted, name):
        start = time.time()
        path = os.path.join(folder, name)
        if fingerprinted:
            observed = Observed(frame)
            observed.frame.write.parquet(path)
            observed.values()
        else:
            frame.write.parquet(path)
        took = time.time() - start
        shutil.rmtree(path)
        return took

    seconds(True, "warm"), seconds(False, "warm")
    pairs = [(seconds(False, "plain"), seconds(True, "fingerprinted")) for _ in range(RUNS)]
finally:
    spark.stop()
    shutil.rmtree(folder, ignore_errors=True)
print(json.dumps({"plain": statistics.median(p for p, _ in pairs), "fingerprinted": statistics.median(f for _, f in pairs), "rows": ROWS}))
