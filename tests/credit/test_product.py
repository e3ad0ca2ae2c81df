"""Products are checked whole; what is wrong is told with its line."""

import json
from pathlib import Path

import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator

from credit import document
from credit.policies import NAMES
from credit.policy import PolicyError
from credit.product import load_product
from tests.credit.desk import PRODUCTS, policy_text

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("version", PRODUCTS)
def test_shipped_products_load_under_the_version_of_their_file(version: str) -> None:
    product = load_product(PRODUCTS[version])
    assert product.version == version
    assert version.startswith(product.name)


def test_ten_products_ship_and_each_kind_of_capacity_among_them() -> None:
    products = [load_product(text) for text in PRODUCTS.values()]
    assert len({product.name for product in products}) == 10
    assert {document.kind_of(product) for product in products} == {
        "turnover",
        "tax_and_invoice",
        "receivables",
        "marketplace",
        "bills",
        "instalments",
        "season",
        "platform",
    }


@pytest.mark.parametrize(
    ("version", "old", "new", "said"),
    [
        ("supply-chain-1", "rate: 0.6}", "rate: 0.9}", "`capacity.advances.1.rate` rises"),
        ("supply-chain-1", "below_days: 60", "below_days: 20", "advances.1.below_days` does not"),
        ("supply-chain-1", "share_max: 0.4\n", "share_max: 0.4\n  core_only: true\n", "core_ent"),
        ("bill-financing-1", "other_rate: 0.7", "other_rate: 1.7", "`capacity.other_rate`"),
        (
            "bill-financing-1",
            "  other_rate: 0.7",
            "  other_rate: 0.7\n  acceptors: [{id: a, rate: 1}, {id: a, rate: 1}]",
            "`capacity.acceptors.1.id` repeats 'a'",
        ),
        ("rural-seasonal-1", '"12": 0.7', '"13": 0.7', "`capacity.calendar"),
        ("rural-seasonal-1", ', "12": 0.7', "", 'lacks month "12"'),
        ("rural-seasonal-1", '"12": 0.7', '"12": 0', "a month of weight 0"),
        ("rural-seasonal-1", "{CNY: 300000, ", "{USD: 300000, ", "start_minor.USD` is no currency"),
        ("co-lending-1", "name: own-book", "name: partner-bank", "repeats 'partner-bank'"),
        ("co-lending-1", "share: 0.3", "share: 0.3\n    bands: [C]", "merchants whom nobody funds"),
        ("platform-embedded-1", "- name: erp", "- name: pos-terminal", "name each channel once"),
        ("platform-embedded-1", "{CNY: 20000000,", "{JPY: 2000,", "line_cap_minor.JPY` is no"),
        ("green-uplift-1", "feature: sensor_days_28d", "feature: solar", "is 'solar', no feature"),
        ("green-uplift-1", "multiplier: 1.2", "multiplier: 0.9", "`uplift.multiplier`"),
        ("tax-and-invoice-1", "feeds: [signals]", "feeds: [lending]", "`eligibility.feeds.0`"),
        ("equipment-leasing-1", "idle_share: 0.5", "", "idle_share"),
    ],
)
def test_what_is_wrong_is_refused_with_its_line(
    version: str, old: str, new: str, said: str
) -> None:
    text = PRODUCTS[version]
    changed = text.replace(old, new, 1)
    assert changed != text
    with pytest.raises(PolicyError) as caught:
        load_product(changed)
    assert said in str(caught.value)
    assert 1 < caught.value.line <= len(changed.splitlines())


def test_a_line_is_counted_from_the_beginning_of_the_bundle() -> None:
    text = PRODUCTS["co-lending-1"].replace("share: 0.3", "share: 3")
    alone, behind = 0, 0
    with pytest.raises(PolicyError) as caught:
        load_product(text)
    alone = caught.value.line
    with pytest.raises(PolicyError) as caught:
        load_product(text, 100)
    behind = caught.value.line
    assert behind == alone + 99


def test_the_published_schemas_are_those_of_the_code_and_take_what_ships() -> None:
    made = {
        "credit/products/product.schema.json": document.product_schema(),
        "credit/policies/policy.schema.json": document.policy_schema(),
    }
    for name, schema in made.items():
        assert json.loads((ROOT / name).read_text("utf-8")) == json.loads(
            msgspec.json.encode(schema)
        ), "run `make schema`"
    products = Draft202012Validator(made["credit/products/product.schema.json"])
    for text in PRODUCTS.values():
        products.validate(yaml.safe_load(text))
    assert list(products.iter_errors({**yaml.safe_load(text), "months": 3}))
    policies = Draft202012Validator(made["credit/policies/policy.schema.json"])
    for name in NAMES:
        policies.validate(next(yaml.safe_load_all(policy_text(name))))


def test_the_page_of_products_is_what_the_command_writes() -> None:
    page = document.markdown(load_product(text) for text in PRODUCTS.values())
    assert (ROOT / "docs" / "products.md").read_text("utf-8") == page, "run `make schema`"
