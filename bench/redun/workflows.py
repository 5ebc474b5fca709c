"""The workloads of `redun.bench.ts` on redun: `workflows.py DATABASE WORKLOAD SIZE SALT` runs one and prints its time and jobs as JSON."""

import json
import logging
import sys
import time

import sqlalchemy
from redun import Scheduler, task
from redun.config import Config

redun_namespace = "bench"


@task()
def one(n: int) -> int:
    return n + 1


@task()
def independent(count: int, salt: int) -> list:
    return [one(salt * 1_000_000 + i) for i in range(count)]


@task()
def add(a: int, b: int) -> int:
    return a + b


@task()
def fib(n: int, salt: int):
    return n + salt if n < 2 else add(fib(n - 1, salt), fib(n - 2, salt))


@task()
def total(numbers: list) -> int:
    return sum(numbers)


@task()
def reduced(count: int, salt: int) -> int:
    return total([one(salt * 1_000_000 + i) for i in range(count)])


@task()
def tree(depth: int, place: int, salt: int):
    return place + salt if depth == 0 else add(tree(depth - 1, 2 * place, salt), tree(depth - 1, 2 * place + 1, salt))


WORKLOADS = {
    "independent": independent,
    "fib": fib,
    "map-reduce": reduced,
    "tree": lambda depth, salt: tree(depth, 1, salt),
}


def main() -> None:
    database, workload, size, salt = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    scheduler = Scheduler(config=Config({"backend": {"db_uri": database}}))
    scheduler.load(migrate=True)
    engine = sqlalchemy.create_engine(database)
    jobs = sqlalchemy.text("select count(*) from job")
    with engine.connect() as connection:
        before = connection.execute(jobs).scalar()
    start = time.perf_counter()
    scheduler.run(WORKLOADS[workload](int(size), int(salt)))
    seconds = time.perf_counter() - start
    with engine.connect() as connection:
        after = connection.execute(jobs).scalar()
    print(json.dumps({"seconds": seconds, "jobs": after - before}))


main()
