"""Builds the images that come next while the present one is measured."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from bench.measure.image import Image
from bench.sweep.execute import Builder
from bench.sweep.plan import ImagePlan

AHEAD = 3
"""Images that wait built: enough to bridge one that takes long to compile, few enough not to fill the memory."""


class BuildAhead:
    """Builds ``plans`` in their order in a thread; a context manager. The compilers are processes, so that measuring goes on meanwhile.

    At its end what is being built is finished, the rest is dropped.
    """

    def __init__(self, plans: Sequence[ImagePlan], builder: Builder, ahead: int = AHEAD) -> None:
        self._builder = builder
        self._ahead = ahead
        self._waiting = deque(plans)
        self._started: deque[tuple[ImagePlan, Future[Image]]] = deque()
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="build")

    def __enter__(self) -> BuildAhead:
        self._fill()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def take(self, plan: ImagePlan) -> Image:
        """Return the image of ``plan``, the next one, waiting for it. Raises what its build raised."""
        if not self._started or self._started[0][0] is not plan:
            raise ValueError(f"{plan.work} is not the image that comes next")
        _, future = self._started.popleft()
        self._fill()
        return future.result()

    def _fill(self) -> None:
        while self._waiting and len(self._started) < self._ahead:
            plan = self._waiting.popleft()
            self._started.append((plan, self._pool.submit(self._builder, plan)))
