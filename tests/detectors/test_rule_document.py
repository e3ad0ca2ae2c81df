"""The page of the rules and the schema of rule files."""

import json
import re
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
import yaml

from detectors.rule_document import json_schema, markdown
from detectors.rulebooks import SCHEMA_FILE
from tests.detectors.rulebook import BOOK, KINDS, TEXT

PAGE = Path(__file__).parents[2] / "docs" / "rules.md"


def test_the_page_in_docs_is_that_of_the_shipped_rules() -> None:
    assert PAGE.read_text("utf-8") == markdown(BOOK), "run `make schema`"


def test_every_rule_has_its_section_with_rationale_levels_and_hold() -> None:
    sections = {each.split("\n")[0]: each for each in markdown(BOOK).split("\n### ")[1:]}
    assert set(sections) == set(KINDS)
    for rule in BOOK.rules:
        section = sections[rule.kind]
        assert rule.rationale.en in section and rule.rationale.zh in section
        assert rule.label.en in section and rule.label.zh in section
        assert section.count("\n- warning: ") + section.count("\n- critical: ") == len(rule.levels)
        assert len(re.findall(r"^- hold: ", section, re.MULTILINE)) == 1


def test_the_schema_beside_the_rule_files_is_that_of_the_format() -> None:
    written = json.loads(files("detectors.rulebooks").joinpath(SCHEMA_FILE).read_text("utf-8"))
    assert written == json.loads(json.dumps(json_schema())), "run `make schema`"


def test_the_schema_takes_the_shipped_rules_and_refuses_a_feature_that_is_none() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(TEXT), schema)
    wrong = yaml.safe_load(TEXT.replace("feature: days_past_due, ge: 15", "feature: x, ge: 15"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schema)
