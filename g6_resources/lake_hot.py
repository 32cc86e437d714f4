"""The lake as the session of the day sees it: a store that does not answer holds nothing up."""

import logging
from collections.abc import Callable
from typing import TypeVar

from g6_resources.clock import SystemTime
from g6_resources.lake_backlog import LakeBacklog
from g6_resources.lake_local import LocalStore
from g6_resources.lake_mirror import MirroredStore
from g6_resources.lake_s3 import S3Store, StoreUnreachable

_ASK_AGAIN_SECONDS = 60.0
_T = TypeVar("_T")
_logger = logging.getLogger(__name__)


class HotStore(MirroredStore):
    """What the session of the day works on: where the store does not answer, the mirror does.

    Of an earlier day it may then know less, which costs a null (yesterday's open interest); of today the mirror has
    everything. Only for who would rather go on than know everything: readers get an error instead.
    """

    def __init__(
        self,
        remote: S3Store,
        mirror: LocalStore,
        backlog: LakeBacklog,
    ) -> None:
        super().__init__(remote, mirror, backlog)
        self._monotonic = SystemTime().monotonic
        self._ask_again_at = float("-inf")

    def get(self, path: str) -> bytes:
        """Return a file's bytes; one that the store alone could give is not there while it does not answer."""
        answer = self._answer(lambda: super(HotStore, self).get(path), self._mirror_get(path))
        if answer is None:
            raise FileNotFoundError(path)
        return answer

    def list(self, prefix: str) -> list[str]:
        """Return the paths below a folder that are known."""
        return self._answer(lambda: super(HotStore, self).list(prefix), lambda: self._mirror.list(prefix))

    def _mirror_get(self, path: str) -> Callable[[], bytes | None]:
        def read() -> bytes | None:
            try:
                return self._mirror.get(path)
            except FileNotFoundError:
                return None

        return read

    def _answer(self, ask: Callable[[], _T], otherwise: Callable[[], _T]) -> _T:
        # A store that is away is asked once a minute: each question costs its patience.
        if self._monotonic() >= self._ask_again_at:
            try:
                return ask()
            except StoreUnreachable as error:
                self._ask_again_at = self._monotonic() + _ASK_AGAIN_SECONDS
                _logger.warning("%s; this machine's own copy of the day serves", error)
        return otherwise()
