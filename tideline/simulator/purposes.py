"""What a draw is for: draws of different purpose are independent."""

(
    PLACE,
    SIZE,
    COST,
    ADVANCE,
    PLAN,
    WORLD,
    DAY_NOISE,
    WEEK_NOISE,
    COUNT,
    ORDER,
    FATE,
    PARCEL,
    FAKE,
    LUCK,
    LATE,
    INVOICE,
    LOAN,
    SIGNAL,
    CLOCK,
    MALFORMED,
) = range(20)
