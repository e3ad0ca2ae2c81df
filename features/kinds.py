"""Kinds of lines of the log."""

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
    "budget.leased": CONTROL,
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
            "cohort.alerted",
            "cohort.calmed",
        ),
        COMMAND,
    ),
}
"""Kind by ``type`` tag. An ``invoice.voided`` of side ``received`` is PURCHASE_VOIDED."""

ROLE_DEFENDANT = 0
"""Role of the merchant in a court case, or none given."""
