"""Downloads: whole, in parts, and not before there is anything."""

import hashlib

import pytest


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
    assert set(response.json()) == {"detail", "code", "errors"}


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
