from features import kinds, vector_change, vector_money, vector_sales, vector_trade
from features.catalogue import CATALOGUE, INDEX, NAMES
from features.feeds import FEED_NAMES
from features.kinds import KIND_OF
from schemas.events import BY_TAG
from tests.features import test_families_change as change_cases
from tests.features import test_families_money as money_cases
from tests.features import test_families_sales as sales_cases
from tests.features import test_families_trade as trade_cases


def test_the_kernel_writes_every_feature_that_is_not_left_to_others() -> None:
    """Each kernel feature has its place in the vector's modules, and a case worked by hand."""
    own = {f.name for f in CATALOGUE if f.family != "peers" and f.feeds != ("lending",)}
    placed = {
        NAMES[value]
        for module in (vector_sales, vector_trade, vector_money, vector_change)
        for name, value in vars(module).items()
        if name.isupper() and type(value) is int
    }
    silences = [f"{feed}_silence_days" for feed in FEED_NAMES[:4]]
    assert placed | set(silences) == own
    first = INDEX[silences[0]]
    assert list(NAMES[first : first + 4]) == silences
    families = (sales_cases, trade_cases, money_cases, change_cases)
    cases = [case for family in families for case in family.CASES]
    assert {name for name, expected, _ in cases if expected is not None} == own


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
        assert feature.types and feature.windows and feature.family


def test_the_kernel_knows_every_type_of_event() -> None:
    assert set(KIND_OF) == set(BY_TAG)
    business = {tag for tag, kind in KIND_OF.items() if kind >= kinds.ORDER_PAID}
    feeds = {"transactions", "logistics", "payments", "signals"}
    assert business == {
        tag for tag, struct in BY_TAG.items() if struct.topic.removeprefix("merchant.") in feeds
    }
