"""``tideline products``: the list, the page, the schemas, and checks of files."""

import json
from pathlib import Path

import pytest

from credit.document import policy_schema, product_schema
from streams.artifacts import builtin_policy, builtin_products
from tests.cli.test_commands import DAY_MS, START, outputs, tideline, trade, write


def test_the_products_are_listed_for_machines_and_for_people(tmp_path: Path) -> None:
    listed = json.loads(tideline("products", "--json", cwd=tmp_path).stdout)
    assert [each["version"] for each in listed["products"]] == list(builtin_products())
    assert "rural-seasonal" in tideline("products", cwd=tmp_path, COLUMNS="250").stdout
    page = Path(__file__).parents[2] / "docs" / "products.md"
    assert tideline("products", "--markdown", cwd=tmp_path).stdout == page.read_text("utf-8")
    for kind, schema in (("product", product_schema()), ("policy", policy_schema())):
        done = tideline("products", "--schema", kind, cwd=tmp_path)
        assert json.loads(done.stdout)["title"] == schema["title"]


def test_a_check_passes_good_files_and_ends_with_two_on_bad_ones(tmp_path: Path) -> None:
    (tmp_path / "product.yaml").write_text(builtin_products()["co-lending-1"], "utf-8")
    whole = builtin_policy("portfolio-1.yaml")
    (tmp_path / "policy.yaml").write_text(whole.split("\n---\n")[0], "utf-8")
    (tmp_path / "bad.yaml").write_text(whole.replace("share: 0.3", "share: 3"), "utf-8")
    done = tideline("products", "check", "product.yaml", "policy.yaml", cwd=tmp_path)
    assert done.returncode == 0
    assert "product.yaml: product co-lending-1" in done.stdout
    assert "policy.yaml: policy portfolio-1" in done.stdout
    done = tideline("products", "check", "bad.yaml", cwd=tmp_path)
    assert done.returncode == 2
    line = next(n for n, row in enumerate(whole.splitlines(), 1) if row.endswith("share: 0.3"))
    assert done.stderr.startswith(f"bad.yaml: line {line}: `funders.1.share`")


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ("override_days: 30", "override_days: -30", "`override_days`"),
        ("pre_approved_active_days: 8", "pre_approved_active_days: 40", "`opening.pre_approved"),
        ("hysteresis_ratio: 0.15", "hysteresis_ratio: 0.15: 1", "line"),
    ],
)
def test_a_policy_with_an_error_is_refused_when_it_is_published_and_the_old_one_stays(
    tmp_path: Path, right: str, wrong: str, says: str
) -> None:
    good = builtin_policy("portfolio-1.yaml")
    place = next(n for n, row in enumerate(good.splitlines(), 1) if right in row)
    bad = good.replace(right, wrong, 1).replace("version: portfolio-1", "version: later-1", 1)
    sales = trade("m", 90)
    commands = [
        {
            "type": "policy.publish",
            "event_id": f"p{day}",
            "merchant_id": "*",
            "occurred_at": START + day * DAY_MS,
            "actor": "ann",
            "document": document,
        }
        for day, document in ((20, good), (60, bad))
    ]
    write(tmp_path / "e.ndjson", sorted([*sales, *commands], key=lambda e: e["occurred_at"]))
    done = tideline("replay", "e.ndjson", "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (letter,) = outputs(tmp_path / "out", "dead-letters.ndjson")
    assert letter["reason"] == "invalid_policy"
    assert f"line {place}" in letter["detail"] and says in letter["detail"], letter["detail"]
    assessed = outputs(tmp_path / "out", "assessments.ndjson")
    assert {each["policy_version"] for each in assessed} == {"working-capital-1", "portfolio-1"}
    assert assessed[-1]["policy_version"] == "portfolio-1"
    assert assessed[-1]["as_of"] > START + 80 * DAY_MS
    (tmp_path / "bad.yaml").write_text(bad, "utf-8")
    checked = tideline("products", "check", "bad.yaml", cwd=tmp_path)
    assert checked.returncode == 2
    assert letter["detail"].partition("line")[2] in checked.stderr, "the same words in both places"
