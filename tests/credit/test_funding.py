"""Funders carry a limit whole, each within its share and its cap."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from credit.funding import allocate, eligible, line_cap_minor
from credit.product import Funder, load_product
from tests.credit.desk import PRODUCTS

PRODUCT = load_product(PRODUCTS["co-lending-1"])

funders = st.lists(
    st.builds(
        Funder,
        name=st.just("f"),
        share=st.floats(0.01, 1),
        line_cap_minor=st.one_of(
            st.just({}), st.builds(lambda n: {"CNY": n}, st.integers(1, 10**12))
        ),
    ),
    min_size=1,
    max_size=5,
).map(lambda found: [structs.replace(each, name=f"f{n}") for n, each in enumerate(found)])


@given(funders, st.integers(0, 10**13))
def test_parts_sum_to_the_limit_and_keep_their_caps(given_: list[Funder], limit: int) -> None:
    cap = line_cap_minor(given_, "CNY")
    if cap is not None:
        limit = min(limit, cap)
    parts = allocate(given_, "CNY", limit)
    assert sum(part.limit_minor for part in parts) == limit
    for part, funder in zip(parts, given_ if parts else [], strict=True):
        assert 0 <= part.limit_minor <= funder.line_cap_minor.get("CNY", limit)


def test_shares_are_weights_among_those_that_are_eligible() -> None:
    both = eligible(PRODUCT, "retail", "A")
    assert [(p.funder, p.limit_minor) for p in allocate(both, "CNY", 1001)] == [
        ("partner-bank", 701),
        ("own-book", 300),
    ]
    alone = eligible(PRODUCT, "retail", "C")
    assert [(p.funder, p.limit_minor) for p in allocate(alone, "CNY", 1001)] == [("own-book", 1001)]
    assert line_cap_minor(both, "CNY") == 30_000_000
    assert line_cap_minor(alone, "CNY") is None


def test_a_funder_may_take_some_segments_only() -> None:
    picky = structs.replace(PRODUCT.funders[0], segments=("farm",))
    product = structs.replace(PRODUCT, funders=(picky, PRODUCT.funders[1]))
    assert [f.name for f in eligible(product, "farm", "A")] == ["partner-bank", "own-book"]
    assert [f.name for f in eligible(product, "retail", "A")] == ["own-book"]
