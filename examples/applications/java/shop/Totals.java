package shop;

import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/** The sum of prices by country. */
public final class Totals {
  public static void main(String[] args) {
    long least = Long.parseLong(args[2]);
    if (least < 0) throw new IllegalArgumentException("least must not be negative: " + least);
    SparkSession spark = SparkSession.builder().getOrCreate();
    Dataset<Row> orders = spark.read().parquet(args[0]).where("price >= " + least);
    orders.groupBy("country").sum("price").toDF("country", "price").write().parquet(args[1]);
    spark.stop();
  }
}
