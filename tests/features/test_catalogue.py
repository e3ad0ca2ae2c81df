from features import kinds, vector_money, vector_sales, vector_trade
from features.catalogue import CATALOGUE, INDEX, NAMES
from features.kinds import KIND_OF
from schemas.events import BY_TAG


def test_the_kernel_writes_the_leading_entries_of_the_catalogue() -> None:
    assert NAMES[: len(KERNEL_NAMES)] == KERNEL_NAMES
    assert NAMES[len(KERNEL_NAMES)] == "exposure_minor"


def test_names_are_unique_and_money_is_marked_by_its_name() -> None:
    assert len(INDEX) == len(NAMES)
    assert all(f.money == f.name.endswith("_minor") == (f.unit == "minor") for f in CATALOGUE)


def test_a_usual_level_is_a_feature_of_the_same_unit() -> None:
    for feature in CATALOGUE:
        if feature.usual is not None:
            assert CATALOGUE[INDEX[feature.usual]].unit == feature.unit


def test_every_feature_says_what_it_needs_in_words() -> None:
    for feature in CATALOGUE:
        assert feature.label and feature.formula and feature.cold_start
        assert feature.feeds and feature.windows


def test_the_kernel_knows_every_type_of_event() -> None:
    assert set(KIND_OF) == set(BY_TAG)
    business = {tag for tag, kind in KIND_OF.items() if kind >= kinds.ORDER_PAID}
    feeds = {"transactions", "logistics", "payments", "signals"}
    assert business == {
        tag for tag, struct in BY_TAG.items() if struct.topic.removeprefix("merchant.") in feeds
    }
