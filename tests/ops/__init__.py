"""What the shells share: settings, Kafka configuration, metrics, health, logs, signals."""
