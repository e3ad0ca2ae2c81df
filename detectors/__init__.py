"""From features to risk: sentinels, default risk, anomaly, learning, reasons. Pure."""
