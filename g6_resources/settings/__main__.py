"""Write `config/g6_config.schema.json` anew after a change of the models: `python -m g6_resources.settings`."""

import json

from g6_resources.settings.loading import PROJECT
from g6_resources.settings.models import json_schema

if __name__ == "__main__":
    (PROJECT / "config" / "g6_config.schema.json").write_text(
        json.dumps(json_schema(), indent=2) + "\n", encoding="utf-8"
    )
