"""The page of models: who forecasts best, what drifts, what was published and for what."""

import re

import pytest
from starlette.testclient import TestClient

from schemas.learner_report import DriftAlarm, VariableDrift
from sinks.embedded import EmbeddedEngine
from tests.desk.conftest import Sent, Store
from tests.desk.test_pages import INJECTIONS, Page, page
from tests.sinks.outputs import (
    DAY_MS,
    START_MS,
    assessment,
    learner_report,
    published,
    standing,
)


def test_without_a_report_the_page_says_what_to_run(analyst: TestClient, store: Store) -> None:
    assert "The learner has not reported yet" in page(analyst, "/models").text
    store(assessment(1))
    assert "tideline learner" in page(analyst, "/models").text


def test_a_learner_without_labels_is_an_empty_page_that_explains_itself(
    analyst: TestClient, store: Store
) -> None:
    empty: dict[str, object] = {
        name: []
        for name in ("standings", "drift", "alarms", "label_counts", "calibration", "versions")
    }
    store(learner_report(1, champion="prior-2", champion_since=None, last_label_at=None, **empty))
    text = page(analyst, "/models").text
    assert "prior-2 champion" in text
    for explained in (
        "No label since the last promotion",
        "No label to compare its forecasts with",
        "None has come yet",
        "No index yet: it needs 2,000 merchants",
        "Neither the champion's error nor the mean probability of default has changed",
        "No version is in use",
    ):
        assert explained in text, explained


def test_champion_challengers_and_floors_stand_with_their_figures(
    analyst: TestClient, store: Store
) -> None:
    store(
        learner_report(
            1,
            champion="default-risk-3",
            champion_since=START_MS,
            standings=[
                standing("champion", "champion", log_loss=0.3126, roc_auc=0.71, precision=0.42),
                standing("logistic", calibration_error=-0.0123),
                standing("volume-rank", "floor", roc_auc=0.81),
                standing("days-past-due", "floor", roc_auc=0.6),
            ],
        )
    )
    text = page(analyst, "/models").text
    assert "default-risk-3 champion since 2023-11-14 22:13" in text
    assert "Champion Champion 0.313 0.710 −1.2 % 42.0 %" in text
    assert "−1.2 %" in text
    assert "Volume rank Floor – 0.810 –" in text
    assert "0.810 of the best floor, Volume rank" in text
    assert "tile warning" in analyst.get("/models").text, "a floor ranks above the champion"


def test_only_the_latest_report_is_shown(analyst: TestClient, store: Store) -> None:
    store(learner_report(1, labels_learnt=111), learner_report(2, labels_learnt=222))
    text = page(analyst, "/models").text
    assert "222 labels learnt" in text and "111" not in text
    assert "As the learner reported at 2023-11-16 22:13 UTC" in text


@pytest.mark.parametrize(
    ("pause", "labels", "words"),
    [
        (None, 0, "Promotions open"),
        ("labels_held", 0, "Promotions wait labels in quarantine"),
        ("error_rose", 40, "Promotions wait the error rose, for 40 labels more"),
        ("score_moves", 0, "Promotions wait the score moves"),
        ("inputs_move", 0, "Promotions wait many inputs move"),
    ],
)
def test_the_page_says_why_nothing_is_promoted(
    analyst: TestClient, store: Store, pause: str | None, labels: int, words: str
) -> None:
    store(learner_report(1, pause=pause, pause_labels=labels))
    assert words in page(analyst, "/models").text


def test_drift_reads_with_level_and_action_and_hides_what_stands_still(
    analyst: TestClient, store: Store
) -> None:
    drift = [
        VariableDrift(variable="score", psi=0.4, level="act", moving=True),
        VariableDrift(variable="turnover_28d_minor", psi=0.3, level="act", moving=False),
        VariableDrift(variable="days_since_sale", psi=0.12, level="watch", moving=False),
        VariableDrift(variable="later_feature", psi=0.02, level="none", moving=False),
    ]
    store(learner_report(1, drift=drift))
    shown = page(analyst, "/models")
    assert "Act Score, by its bands score · still moving 0.400 Another population" in shown.text
    assert "nothing is promoted while it moves" in shown.text
    assert "Sales of the last 28 days turnover_28d_minor 0.300" in shown.text
    assert "within the hour. It has settled." in shown.text
    assert "Watch Days since the last sale days_since_sale 0.120" in shown.text
    before, _, after = analyst.get("/models").text.partition("<details>")
    assert "later_feature" in after and "later_feature" not in before
    assert "1 that have not moved" in shown.text


def test_changes_found_stand_latest_first_with_their_means(
    analyst: TestClient, store: Store
) -> None:
    common = {"found_at": START_MS, "observations": 1_320}
    alarms = [
        DriftAlarm(signal="score", direction="down", before=0.1, after=0.05, **common),
        DriftAlarm(signal="error", direction="up", before=0.25, after=0.5, **common),
    ]
    store(learner_report(1, alarms=alarms))
    text = page(analyst, "/models").text
    rows = re.findall(r"(Error ↑|Score ↓) .*? ([\d.]+(?: %)?) ([\d.]+(?: %)?) 1,320", text)
    assert rows == [("Error ↑", "0.250", "0.500"), ("Score ↓", "10.0 %", "5.0 %")]


def test_labels_are_counted_by_outcome_and_by_where_they_are(
    analyst: TestClient, store: Store
) -> None:
    store(learner_report(3, labels_held=7, held_since=START_MS, labels_given_up=1_234))
    text = page(analyst, "/models").text
    assert "Defaulted learnt as bad 31 Settled learnt as good 209" in text
    assert "In quarantine since 2023-11-14 22:13 UTC: unlike all before them 7" in text
    assert "Given up, of bursts that did not last 1,234" in text


def test_every_version_ever_published_is_listed_with_its_reason_and_its_use(
    analyst: TestClient, store: Store, engine: EmbeddedEngine
) -> None:
    store(
        learner_report(1, versions=[published(1)]),
        learner_report(2, versions=[published(1), published(2)]),
        learner_report(9, champion="default-risk-3", versions=[published(3, kind="logistic")]),
        assessment(1, model_version="prior-2", as_of=START_MS),
        assessment(2, model_version="default-risk-2", as_of=START_MS + DAY_MS),
        assessment(3, model_version="default-risk-2", as_of=START_MS + 2 * DAY_MS),
    )
    assert engine.query("SELECT count() AS n FROM model_versions") == [{"n": 3}]
    text = page(analyst, "/models").text
    listed = re.findall(r"(default-risk-\d|prior-2) (?:Logistic|Scorecard|–)", text)
    assert listed == ["default-risk-3", "default-risk-2", "default-risk-1", "prior-2"]
    assert (
        "default-risk-2 Scorecard, after default-risk-1 2023-11-16 22:13 Scorecard: log loss 0.300"
        " against 0.340 of the champion before it, ROC AUC 0.750 against 0.680 of the best floor"
        " (Days past due), over 100 labels. 200 labels 24 defaulted 2 2023-11-15 22:13 –"
    ) in text
    assert "prior-2 – Not published by the learner" in text
    assert "default-risk-2 made the latest assessment" in text, "the learner's champion is another"


@pytest.mark.parametrize("text", INJECTIONS)
def test_injections_are_text(analyst: TestClient, store: Store, text: str) -> None:
    store(
        learner_report(
            1,
            champion=text,
            standings=[standing(text, "champion")],
            drift=[VariableDrift(variable=text, psi=0.3, level="act", moving=True)],
            versions=[published(1, version=text, kind=text, challenger=text, best_floor=text)],
        )
    )
    shown = page(analyst, "/models")
    assert re.sub(r"\s+", " ", text) in shown.text
    assert not {"iframe", "object"} & set(shown.tags)
    assert shown.tags.count("script") == 4, "the desk's own"
    assert all(address.startswith(("/", "#")) for address in shown.loads)


def test_a_version_is_put_in_force_again_with_a_reason(
    analyst: TestClient, store: Store, outbox: Sent
) -> None:
    store(
        learner_report(1, champion="default-risk-2", versions=[published(1), published(2)]),
        assessment(1, model_version="default-risk-2"),
    )
    form = Page(analyst.get("/models").text)
    fields = {"version": "default-risk-1", "reason": "the new one is worse", "request_id": "r-1"}
    answer = analyst.post("/models/rollback", data={"csrf": form.inputs["csrf"], **fields})
    assert (answer.status_code, answer.headers["location"]) == (303, "/models?sent")
    (command,) = outbox.of("desk.commands")
    assert command["type"] == "model.rollback" and command["merchant_id"] == "*"
    assert (command["version"], command["reason"]) == ("default-risk-1", "the new one is worse")
    assert "The roll-back is sent." in page(analyst, "/models?sent").text
    missing = analyst.post("/models/rollback", data={"csrf": form.inputs["csrf"], "version": "x"})
    assert missing.status_code == 400 and len(outbox.of("desk.commands")) == 1


def test_the_page_reads_in_chinese(analyst: TestClient, store: Store) -> None:
    store(learner_report(1, champion="default-risk-2", versions=[published(2)]))
    analyst.cookies.set("tideline_language", "zh")
    text = page(analyst, "/models").text
    assert "冠军模型" in text and "模型" in text
    assert "Who forecasts best" not in text
