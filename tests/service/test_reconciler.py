"""The one loop of hub_service: it ends when it is told to, whatever happens at that moment."""

import asyncio

import pytest

from hub_service.jobs.events import JobFeed
from hub_service.reconciler import Reconciler
from tests.service.conftest import World


@pytest.mark.parametrize("turns", range(6))
async def test_a_loop_that_is_woken_while_it_is_told_to_end_ends(
    world: World, turns: int
) -> None:
    assert world.services
    reconciler = Reconciler(
        jobs=world.services.jobs,
        uses={},
        feed=JobFeed(),
        interval=0.1,
        ended=lambda job: None,
        settled=lambda: None,
    )
    loop = asyncio.create_task(reconciler.run())
    await asyncio.sleep(0.02)
    reconciler.wake()
    for _ in range(turns):
        await asyncio.sleep(0)
    loop.cancel()
    done, _ = await asyncio.wait({loop}, timeout=1)
    loop.cancel()
    assert done == {loop}
