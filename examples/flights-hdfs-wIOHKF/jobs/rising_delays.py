"""The longest chain of consecutive days with growing mean delay, for each airport and the month in which the chain begins."""

from datetime import timedelta

from pyspark.sql.types import DateType, IntegerType, StringType, StructField, StructType

SCHEMA = StructType(
    [
        StructField("month", StringType()),
        StructField("origin", StringType()),
        StructField("days", IntegerType()),
        StructField("first", DateType()),
        StructField("last", DateType()),
    ]
)


def longest_chains(days):
    """One (month, length, first day, last day) a month; the earlier of two equally long chains counts."""
    best = {}
    chain = []
    for day, delay in sorted(days):
        if chain and not (day - chain[-1][0] == timedelta(days=1) and delay > chain[-1][1]):
            chain = []
        chain.append((day, delay))
        first = chain[0][0]
        month = first.strftime("%Y-%m")
        if month not in best or len(chain) > best[month][0]:
            best[month] = (len(chain), first, day)
    return [(month, length, first, last) for month, (length, first, last) in sorted(best.items())]


def run(ctx):
    """Rows of (month, origin, days, first, last)."""
    enough = ctx.params["minFlights"]
    rows = ctx.inputs["daily"].where(f"flights >= {enough}").select("origin", "day", "delay").rdd
    chains = (
        rows.map(lambda row: (row.origin, (row.day, row.delay)))
        .groupByKey()
        .flatMap(lambda of: [(month, of[0], *chain) for month, *chain in longest_chains(of[1])])
    )
    return ctx.spark.createDataFrame(chains, SCHEMA)
