"""Kinds of lines of the log, and the columns into which a micro-batch is decoded."""

import numpy as np

# Those from APPLICATION on move the clock; those from ORDER_PAID on are business.
UNKNOWN, TICK, CONTROL, COMMAND, PROFILE, APPLICATION, LENDING = range(7)
ORDER_PAID, ORDER_CANCELLED, ORDER_REFUNDED, ORDER_DISPUTED, REVIEW = range(10, 15)
DISPATCHED, DELIVERY, RETURNED, LOST = range(15, 19)
SETTLEMENT, CREDITED, DEBITED, UTILITY, PAYMENT_FAILED = range(19, 24)
INVOICE_ISSUED, INVOICE_RECEIVED, INVOICE_VOIDED, PURCHASE_VOIDED = range(24, 28)
BILL, BILL_DISHONOURED, TAX, COURT_CASE, REGISTRATION_CHANGED = range(28, 33)
BUREAU, SENSOR = range(33, 35)

KIND_OF: dict[str, int] = {
    "clock.tick": TICK,
    "model.activated": CONTROL,
    "policy.activated": CONTROL,
    "merchant.registered": PROFILE,
    "merchant.updated": PROFILE,
    "credit.applied": APPLICATION,
    "consent.changed": APPLICATION,
    "order.paid": ORDER_PAID,
    "order.cancelled": ORDER_CANCELLED,
    "order.refunded": ORDER_REFUNDED,
    "order.disputed": ORDER_DISPUTED,
    "review.posted": REVIEW,
    "shipment.dispatched": DISPATCHED,
    "shipment.delivered": DELIVERY,
    "shipment.returned": RETURNED,
    "shipment.lost": LOST,
    "settlement.received": SETTLEMENT,
    "account.credited": CREDITED,
    "account.debited": DEBITED,
    "utility.paid": UTILITY,
    "payment.failed": PAYMENT_FAILED,
    "invoice.issued": INVOICE_ISSUED,
    "invoice.received": INVOICE_RECEIVED,
    "invoice.voided": INVOICE_VOIDED,
    "bill.accepted": BILL,
    "bill.settled": BILL,
    "bill.dishonoured": BILL_DISHONOURED,
    "tax.filed": TAX,
    "court.case": COURT_CASE,
    "registration.changed": REGISTRATION_CHANGED,
    "bureau.scored": BUREAU,
    "sensor.reading": SENSOR,
    **dict.fromkeys(
        (
            "loan.disbursed",
            "repayment.due",
            "repayment.received",
            "loan.defaulted",
            "loan.settled",
            "limit.acknowledged",
            "limit.rejected",
        ),
        LENDING,
    ),
    **dict.fromkeys(
        (
            "alert.assign",
            "alert.acknowledge",
            "alert.snooze",
            "alert.close",
            "limit.approve",
            "limit.reject",
            "limit.override",
            "merchant.freeze",
            "merchant.release",
            "policy.publish",
            "model.rollback",
            "automation.pause",
            "automation.resume",
        ),
        COMMAND,
    ),
}
"""Kind by ``type`` tag. An ``invoice.voided`` of side ``received`` is PURCHASE_VOIDED."""

GIVES_BALANCE = 1
"""Flag of a line that gives a balance."""
ROLE_DEFENDANT, ROLE_OTHER = range(2)

COLUMNS = np.dtype(
    [
        ("ts", "i8"),
        ("amount", "i8"),
        ("ordered", "i8"),
        ("promised", "i8"),
        ("hash", "i8"),
        ("counterparty", "i8"),
        ("kind", "i4"),
        ("slot", "i4"),
        ("currency", "i4"),
        ("rating", "i4"),
        ("role", "i4"),
        ("flags", "i4"),
        ("issued", "i8"),
        ("balance", "i8"),
        ("score", "f8"),
        ("other_debt", "i8"),
        ("declared", "i8"),
        ("period_start", "i8"),
        ("period_end", "i8"),
    ]
)
"""One line.

- ``ts`` and the other times are epoch milliseconds (UTC), -1 where absent: ``ordered``
  (``ordered_at``), ``promised``, ``issued`` (``issued_at``), ``period_start``, ``period_end``.
- ``amount`` is in minor units, 0 where absent; ``other_debt`` and ``declared`` likewise, -1 where
  absent; ``balance`` (signed) counts only with ``flags & GIVES_BALANCE``.
- ``currency`` is the number of its three letters (big-endian), 0 for none; ``rating`` stars x 100
  rounded half to even, -1 for none; ``score`` NaN for none; ``role`` ROLE_OTHER for a court case
  in which the merchant is not the defendant.
- ``hash`` is xxh64 (seed 0) of ``merchant_id``, a zero byte and ``event_id``; ``counterparty``
  that of ``counterparty_id``, 0 where absent. Both as signed 64-bit numbers.
- ``slot`` is the merchant's row, -1 for a line that concerns no single merchant.

The kernel reads a field only for the kinds of lines that declare it.
"""
