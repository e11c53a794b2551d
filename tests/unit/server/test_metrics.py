from prometheus_client import generate_latest

from headgate_server.metrics import Metrics

NAMES = (
    "headgate_rpc_duration_seconds",
    "headgate_rpc_streams",
    "headgate_rpc_in_flight",
    "headgate_rpc_stream_messages",
    "headgate_waiting_writes",
    "headgate_batch_size",
    "headgate_commit_seconds",
    "headgate_lost_races",
    "headgate_log_head_revision",
    "headgate_log_tail_lag_revisions",
    "headgate_watchers",
    "headgate_catching_up_watchers",
    "headgate_dropped_events",
    "headgate_upkeep_pass_seconds",
)


def test_every_metric_is_told_to_prometheus() -> None:
    told = {metric.name for metric in Metrics().registry.collect()}

    assert told.issuperset(NAMES)


def test_two_servers_in_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()

    one.lost_races.inc()

    assert one.registry.get_sample_value("headgate_lost_races_total") == 1
    assert other.registry.get_sample_value("headgate_lost_races_total") == 0


def test_what_is_noted_is_told() -> None:
    metrics = Metrics()

    metrics.batch_size.observe(3)
    metrics.waiting_writes.set(5)
    metrics.rpc_seconds.labels("/a/B", "OK").observe(0.002)

    told = generate_latest(metrics.registry).decode()
    assert "headgate_batch_size_sum 3.0" in told
    assert "headgate_waiting_writes 5.0" in told
    assert 'headgate_rpc_duration_seconds_count{code="OK",method="/a/B"} 1.0' in told
