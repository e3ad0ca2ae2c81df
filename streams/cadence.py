"""The settings of scoring as the feature engine takes them."""

from features.cadence import EngineConfig
from ops.settings import Settings


def engine_config(settings: Settings) -> EngineConfig:
    """How often merchants are looked at, and how far the watermark trails."""
    return EngineConfig(**settings.scoring.model_dump())
