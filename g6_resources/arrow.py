"""pyarrow, which ships no types: `Any` here, once, so that everything built on it can be checked strictly."""

from typing import Any, TypeAlias

import pyarrow
import pyarrow.compute
import pyarrow.parquet

pa: Any = pyarrow
pc: Any = pyarrow.compute
pq: Any = pyarrow.parquet

ArrowTable: TypeAlias = Any
ArrowArray: TypeAlias = Any
ArrowSchema: TypeAlias = Any
