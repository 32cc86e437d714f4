"""What a Celery worker of the cluster is: `dagster_celery.app` reads it because of this file's name.

A worker is `celery --workdir deploy/cluster -A dagster_celery.app worker --concurrency 1`.
"""

import os

broker_url = os.environ["G6_CELERY_BROKER"]
result_backend = os.environ["G6_CELERY_BACKEND"]
# Runs wait in Redis until a worker is free, never reserved by a busy one: with it they would be lost for hours.
worker_prefetch_multiplier = 1
worker_disable_prefetch = True
task_acks_late = True
# Redis hands out again what was not acknowledged in this time, though its first worker may still be at it. Dagster
# would ignore the second start, and finds lost runs in its own way.
broker_transport_options = {"visibility_timeout": 12 * 3600}
broker_connection_retry_on_startup = True
# A process that has grown is replaced after its run; in KiB.
worker_max_memory_per_child = 2_000_000
worker_send_task_events = False
