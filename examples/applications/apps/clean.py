"""Splits orders into those with a price and the lines of the others."""

import argparse

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

parser = argparse.ArgumentParser()
parser.add_argument("--orders", required=True)
parser.add_argument("--good", required=True)
parser.add_argument("--bad", required=True)
args = parser.parse_args()

spark = SparkSession.builder.getOrCreate()
orders = spark.read.csv(args.orders, header=True)
price = F.col("price").cast("bigint")
orders.where(price.isNotNull()).select("id", "country", price.alias("price")).write.parquet(args.good)
orders.where(price.isNull()).select(F.concat_ws(";", "id", "country", "price")).write.csv(args.bad)
spark.stop()
