"""Downloads: whole, in parts, and not before there is anything."""

import hashlib
import io
import zipfile

import httpx
import pytest

from tally.rpc.errors import FailedPrecondition, Unavailable
from tests.waiting import eventually


async def test_an_unfinished_job_has_no_download(gateway, learner):
    learner.hold.clear()
    job_id = await gateway.start_job()
    response = await gateway.client.get(f"/jobs/{job_id}/download")
    assert response.status_code == 409
    assert "not finished" in response.json()["detail"]


@pytest.mark.parametrize(
    ("header", "expected"),
    [("bytes=0-9", slice(0, 10)), ("bytes=100-", slice(100, None)), ("bytes=-7", slice(-7, None))],
)
async def test_parts_of_a_download(gateway, learner, header, expected):
    learner.result_padding = b"x" * 1000
    job = await gateway.until(await gateway.start_job(), "completed")
    url = f"/jobs/{job['job_id']}/download"
    whole = (await gateway.client.get(url)).content
    assert hashlib.sha256(whole).hexdigest() in learner.blobs
    part = await gateway.client.get(url, headers={"Range": header})
    assert (part.status_code, part.content) == (206, whole[expected])
    assert part.headers["content-range"].endswith(f"/{len(whole)}")


@pytest.mark.parametrize(
    "header",
    [
        "bytes=99999999-", "bytes=5-1,", "bytes=-", "lines=1-2", f"bytes={'9' * 5000}-",
        "bytes=5-1", "bytes=-0", "bytes=0-1,5-2", "bytes=0-0,99999999-", f"bytes=0-{'9' * 5000}",
    ],
)  # fmt: skip
async def test_a_range_beyond_the_file_is_refused(gateway, header):
    job = await gateway.until(await gateway.start_job(), "completed")
    url = f"/jobs/{job['job_id']}/download"
    response = await gateway.client.get(url, headers={"Range": header})
    assert response.status_code == 416
    assert response.headers["content-range"].startswith("bytes */")
    assert set(response.json()) == {"detail", "code", "parameters", "errors"}


async def test_an_odd_job_name_makes_a_good_file_name(gateway):
    job = await gateway.until(await gateway.start_job(job_name='../蘋果/"x"'), "completed")
    response = await gateway.client.get(f"/jobs/{job['job_id']}/download")
    disposition = response.headers["content-disposition"]
    assert disposition.startswith('attachment; filename="_____x_.zip"; ')
    assert disposition.endswith("; filename*=utf-8''_%E8%98%8B%E6%9E%9C__x_.zip")
    assert "/" not in disposition


async def test_a_result_that_is_not_here_is_fetched_again(gateway):
    job = await gateway.until(await gateway.start_job(), "completed")
    gateway.services.storage.result_path(job["job_id"]).unlink()
    assert (await gateway.client.get(f"/jobs/{job['job_id']}/download")).status_code == 200


def args_of(response: httpx.Response) -> bytes:
    """Where the fake learner notes the step."""
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        return archive.read("training_args.json")


async def test_of_a_cancelled_job_there_is_what_its_worker_saved(gateway, learner):
    learner.steps, learner.step_seconds = 500, 0.01
    body = {"training_config": {"evaluation_steps": 1}}
    job_id = await gateway.start_job(**body)
    await gateway.until(job_id, "training", best_step=2)
    assert (await gateway.job(job_id))["checkpoints"] == []
    await gateway.client.delete(f"/jobs/{job_id}")
    job = await gateway.until(job_id, "cancelled", best_step=2)
    assert job["checkpoints"] == ["last", "best"]
    url = f"/jobs/{job_id}/download"
    last = await gateway.client.get(url)
    best = await gateway.client.get(f"{url}?checkpoint=best", headers={"Range": "bytes=0-9"})
    whole = await gateway.client.get(f"{url}?checkpoint=best")
    assert (last.status_code, best.status_code) == (200, 206)
    assert whole.content.startswith(best.content)
    assert args_of(whole) == b"{}step 2"
    assert int(args_of(last).removeprefix(b"{}step ")) >= 2
    assert whole.headers["content-disposition"].endswith(".best.zip")
    assert learner.calls["PackAdapter"] == 2  # what is here is not asked for again
    await gateway.client.delete(f"/jobs/{job_id}?purge=true")
    assert not any(gateway.services.storage.results_dir.iterdir())


async def test_the_best_adapter_of_a_completed_job_is_one_beside_the_last(gateway, learner):
    job_id = await gateway.start_job(training_config={"evaluation_steps": 1})
    job = await gateway.until(job_id, "completed")
    assert (job["best_step"], job["checkpoints"]) == (2, ["last", "best"])
    url = f"/jobs/{job_id}/download"
    by_default, last, best = [
        (await gateway.client.get(f"{url}{asked}")).content
        for asked in ("", "?checkpoint=last", "?checkpoint=best")
    ]
    assert by_default == last != best
    assert (await gateway.client.get(f"{url}?checkpoint=first")).status_code == 422


@pytest.mark.parametrize("asked", ["", "?checkpoint=best"])
async def test_where_there_is_no_such_adapter_the_learner_says_why(gateway, learner, asked):
    job_id = await gateway.start_job()
    job = await gateway.until(job_id, "completed")
    assert job["checkpoints"] == ["last"]
    learner.hold.clear()
    waiting = await gateway.start_job()
    await gateway.client.delete(f"/jobs/{waiting}")
    assert (await gateway.until(waiting, "cancelled"))["checkpoints"] == []
    unable = job_id if asked else waiting
    response = await gateway.client.get(f"/jobs/{unable}/download{asked}")
    assert (response.status_code, response.json()["code"]) == (409, "no_adapter")


async def test_a_job_that_the_learner_never_had_has_no_adapter(gateway, learner):
    await learner.stop()
    job_id = await gateway.start_job()
    await gateway.client.delete(f"/jobs/{job_id}")
    await learner.start()
    await gateway.until(job_id, "cancelled")

    async def refused() -> bool:
        """Once the gateway has found the learner again."""
        response = await gateway.client.get(f"/jobs/{job_id}/download")
        return (response.status_code, response.json()["code"]) == (409, "job_without_result")

    await eventually(refused)


async def test_merged_weights_come_as_they_are_made(gateway, learner):
    learner.merged = [bytes([number]) * 2**20 for number in range(5)]
    job = await gateway.until(await gateway.start_job(), "completed")
    url = f"/jobs/{job['job_id']}/download?form=merged"
    async with gateway.client.stream("GET", url) as response:
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/zip"
        assert 'filename="apples.merged.zip"' in response.headers["content-disposition"]
        assert "content-length" not in response.headers
        assert await response.aread() == b"".join(learner.merged)
    assert gateway.staged() == []


async def test_what_cannot_be_merged_is_refused_before_anything_is_sent(gateway, learner):
    learner.faults["MergeAdapter"] = [FailedPrecondition("the base model's files hold no layers.0")]
    job = await gateway.until(await gateway.start_job(), "completed")
    url = f"/jobs/{job['job_id']}/download?form=merged"
    response = await gateway.client.get(url)
    assert response.status_code == 409
    assert "hold no layers.0" in response.json()["detail"]


async def test_merged_weights_that_break_off_are_no_whole_file(gateway, learner):
    learner.merge_fault = Unavailable("stopping")
    job = await gateway.until(await gateway.start_job(), "completed")
    url = f"/jobs/{job['job_id']}/download?form=merged"
    with pytest.raises(httpx.RemoteProtocolError):
        await gateway.client.get(url)


async def test_an_unfinished_job_has_nothing_merged_and_an_unknown_form_is_refused(
    gateway, learner
):
    learner.hold.clear()
    url = f"/jobs/{await gateway.start_job()}/download"
    assert (await gateway.client.get(f"{url}?form=merged")).status_code == 409
    assert (await gateway.client.get(f"{url}?form=zip")).status_code == 422
