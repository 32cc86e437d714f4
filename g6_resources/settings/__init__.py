"""The configuration file as typed settings, and the secrets of the environment.

`models` says what may be set, `older` reads the two shapes of the predecessor, `loading` reads the file and reports
what is wrong with it. Facts of the market (sessions, indices, contracts) are not settings.
"""

from g6_resources.settings.loading import Settings, load_settings
from g6_resources.settings.models import (
    CollectionSettings,
    ConfigFile,
    IndexSettings,
    InfluxSettings,
    KiteLimits,
    KiteSettings,
    PricingSettings,
    json_schema,
)
from g6_resources.settings.problems import SettingsError
from g6_resources.settings.secrets import Secrets

__all__ = [
    "CollectionSettings",
    "ConfigFile",
    "IndexSettings",
    "InfluxSettings",
    "KiteLimits",
    "KiteSettings",
    "PricingSettings",
    "Secrets",
    "Settings",
    "SettingsError",
    "json_schema",
    "load_settings",
]
