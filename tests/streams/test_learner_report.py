"""What the learner shows on /metrics."""

from prometheus_client.exposition import generate_latest

from ops.metrics import Metrics
from ops.settings import load_settings
from streams.learner_host import LearnerHost
from streams.model_keys import REPLAY_SIGNER

from .test_learner import DAY_MS, assessment, burst, merchants


def _value(shown: str, name: str) -> float:
    return float(next(line for line in shown.splitlines() if line.startswith(name)).split()[1])


def test_standings_quarantine_and_drift_are_shown_at_a_tick() -> None:
    metrics = Metrics()
    host = LearnerHost(load_settings(), metrics, REPLAY_SIGNER)
    host.assign({})
    host.tick(0)
    before = generate_latest(metrics.registry).decode()
    assert 'tideline_model_log_loss{who="champion"}' not in before
    shown = ""
    for record in merchants(0, 420, 3):
        host.take(record, 0)
        host.tick(1)
        # Ranks need both classes in the window, which a promotion empties.
        now = generate_latest(metrics.registry).decode()
        shown = now if 'roc_auc_ratio{who="volume-rank"}' in now else shown
    assert 'tideline_drift_alarms{direction="up",signal="error"} 0.0' in before
    assert "tideline_model_roc_auc_over_floor_ratio NaN" in before
    assert "tideline_promotions_paused{" not in before
    assert 'tideline_contest_labels{kind="bad"}' in shown
    margin = "tideline_model_roc_auc_over_floor_ratio "
    assert -1 < float(next(x for x in shown.splitlines() if x.startswith(margin)).split()[1]) < 1
    for who in ("champion", "logistic", "scorecard"):
        assert f'tideline_model_log_loss{{who="{who}"}}' in shown
    assert 'tideline_model_roc_auc_ratio{who="volume-rank"}' in shown
    for figure in ("precision_at_capacity", "recall_at_capacity", "exposure_found"):
        assert f'tideline_model_{figure}_ratio{{who="champion"}}' in shown
    assert 'tideline_model_calibration_error_ratio{who="champion"}' in shown
    lead_s = _value(shown, 'tideline_model_lead_time_seconds{who="champion"}')
    assert lead_s == 40 * 86_400, "each merchant was assessed 40 days before its outcome"
    assert _value(shown, 'tideline_labels_received{outcome="defaulted"}') > 20
    assert _value(shown, 'tideline_labels_by_fate{fate="learnt"}') > 100
    assert _value(shown, 'tideline_model_rollbacks{version="followed"}') == 0
    for record in burst(at=93 * DAY_MS):
        host.take(record, 0)
    host.tick(2)
    shown = generate_latest(metrics.registry).decode()
    held = next(line for line in shown.splitlines() if line.startswith("tideline_labels_held "))
    assert float(held.split()[1]) > 50
    assert 'tideline_promotions_paused{reason="labels_held"} 1.0' in shown
    for number in range(2_200):
        host.take(assessment(f"x{number}", number, None, silence_days=0.1), 0)
    host.tick(3)
    assert 'tideline_drift_psi_ratio{feature="score"}' in generate_latest(metrics.registry).decode()
