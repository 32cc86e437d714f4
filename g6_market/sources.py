"""Where a row came from, and what that makes of a row derived from several of them."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from g6_market.frames import codes_of, text, text_array

QUOTE, IMPORT, CANDLE = range(3)
SOURCES = ("quote", "import", "candle")
"""The words by code. What is derived from several rows has the greatest of their codes: one healed leg marks it."""

_INDEX = pd.Index(SOURCES, dtype="object")
_WORDS = text_array(SOURCES)


def source_codes(words: pd.Series) -> NDArray[np.int64]:
    """Return the code of each row's source."""
    return codes_of(words, _INDEX)


def source_words(codes: NDArray[np.int64]) -> Any:
    """Return the words of codes as a pandas text array; a code of -1 is null."""
    return text(codes, _WORDS)
