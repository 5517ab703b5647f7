"""A gateway whose disk is full: what needs room is refused, what frees some is not."""

from tests.small_disk import small_disk
from tests.waiting import eventually


async def test_a_job_can_be_cancelled(settings, learner, start_gateway):
    learner.hold.clear()
    with small_disk(settings.data_dir) as disk:
        async with start_gateway(settings) as gateway:
            job_id = await gateway.start_job()
            await gateway.until(job_id, "training", phase="learning")
            reserve = settings.data_dir / "reserve"
            await eventually(lambda: reserve.exists() and reserve.stat().st_blocks)
            file_id = (await gateway.client.get("/files")).json()[0]["file_id"]
            disk.fill()
            refused = await gateway.train(file_id)
            assert (refused.status_code, "no room" in refused.text) == (507, True)
            answer = await gateway.client.delete(f"/jobs/{job_id}")
            assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
            disk.empty()
            await gateway.until(job_id, "cancelled", phase=None)
            assert (await gateway.train(file_id)).status_code == 200
