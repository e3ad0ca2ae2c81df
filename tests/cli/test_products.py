"""``tideline products``: the list, the page, the schemas, and checks of files."""

import json
from pathlib import Path

from credit.document import policy_schema, product_schema
from streams.artifacts import builtin_policy, builtin_products
from tests.cli.test_commands import tideline


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
