"""Batches through the hook of Airflow's Livy provider, one thread each, as its operator waits for them: `livy_hook.py COUNT POLL_SECONDS PREFIX`. Prints when each end was noticed."""

import json
import sys
import threading
import time

from airflow.providers.apache.livy.hooks.livy import LivyHook

count, poll_seconds, prefix = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
noticed = {}


def run(name):
    """`LivyOperator.execute` with a polling interval, without the task around it."""
    hook = LivyHook()
    batch = hook.post_batch(file="local:/job.py", name=name)
    while hook.get_batch_state(batch) not in hook.TERMINAL_STATES:
        time.sleep(poll_seconds)
    noticed[name] = time.time() * 1000
    hook.dump_batch_logs(batch)
    hook.get_batch(batch)


threads = [threading.Thread(target=run, args=(f"{prefix}-{i}",)) for i in range(count)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(noticed))
