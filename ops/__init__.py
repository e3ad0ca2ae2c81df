"""What the shells share: settings, metrics, logs, health and Kafka client configuration."""
