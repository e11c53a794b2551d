"""Filters as SQL: the only place that knows what they mean to the database."""

from headgate_server.storage.filters.related import (
    deployment_conditions,
    flow_conditions,
    flow_run_conditions,
    task_run_conditions,
    work_pool_conditions,
    work_queue_conditions,
)

__all__ = [
    "deployment_conditions",
    "flow_conditions",
    "flow_run_conditions",
    "task_run_conditions",
    "work_pool_conditions",
    "work_queue_conditions",
]
