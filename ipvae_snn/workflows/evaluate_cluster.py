"""Run the parts of an evaluation on the workers of a Dask cluster."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ipvae_snn.evaluation.evaluate import Spread
from ipvae_snn.evaluation.parts import Part, PartFigures, PartRunner
from ipvae_snn.workflows.cluster import ahead, on_workers, prepared, result_of

if TYPE_CHECKING:
    from distributed import Client


def spread_on(client: "Client") -> Spread:
    """Return the execution of an evaluation's parts on the workers, in order.

    Raises BackendError for a part that lost several workers.
    """

    def spread(
        run: PartRunner, parts: Iterable[Part], report: Callable[[int], None]
    ) -> Iterator[PartFigures]:
        waiting: deque[tuple[Part, Any]] = deque()
        whole: Any = run
        with on_workers(client, partial(replace, whole)) as name:  # without what is cached here
            for part in parts:
                waiting.append((part, client.submit(_judge, name, part, pure=False)))
                if len(waiting) >= ahead(client):
                    yield _reported(*waiting.popleft(), run, report)
            while waiting:
                yield _reported(*waiting.popleft(), run, report)

    return spread


def _reported(
    part: Part, future: Any, run: PartRunner, report: Callable[[int], None]
) -> PartFigures:
    """Return a part's figures, and report its image-steps."""
    result: PartFigures = result_of(future, part.first, len(part.pixels))
    report(len(part.pixels) * run.request.steps)
    return result


def _judge(name: str, part: Part) -> PartFigures:
    """Run a part of an evaluation on a worker."""
    run: PartRunner = prepared(name)
    return run.run(part, lambda image_steps: None)
