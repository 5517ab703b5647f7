"""How much an owner may have at once, and what makes room."""

import pytest

from gateway.settings import MIB
from tests.gateway.packing import good_zip, image_bytes, with_image


def zip_of(width: int) -> bytes:
    """Uploads of another width are others, of about the same size."""
    return with_image(image_bytes(size=(width, 64)))


async def upload(gateway, data: bytes, headers: dict[str, str] | None = None):
    files = {"file": ("a.zip", data, "application/zip")}
    return await gateway.client.post("/upload-data", files=files, headers=headers)


@pytest.fixture
def limited(settings, start_gateway):
    """Starts a gateway with these limits."""
    return lambda **limits: start_gateway(settings.model_copy(update=limits))


async def test_so_many_files_an_owner(limited):
    async with limited(max_files_per_owner=2) as gateway:
        alice = await gateway.new_token("alice", "writer")
        bob = await gateway.new_token("bob", "writer")
        ids = [(await upload(gateway, good_zip(), alice)).json()["file_id"] for _ in range(2)]
        kept = list((gateway.settings.data_dir / "rows").iterdir())
        refused = await upload(gateway, good_zip(), alice)
        assert refused.status_code == 413
        [error] = refused.json()["errors"]
        assert error == {
            "where": "file",
            "code": "too_many_files",
            "parameters": {"files": 2, "most": 2},
            "message": "you have 2 of at most 2 files; delete one with DELETE /files/{file_id}",
        }
        assert list((gateway.settings.data_dir / "rows").iterdir()) == kept
        assert gateway.staged() == []
        assert (await upload(gateway, good_zip(), bob)).status_code == 200
        await gateway.client.delete(f"/files/{ids[0]}", headers=alice)
        assert (await upload(gateway, good_zip(), alice)).status_code == 200


async def test_so_many_bytes_an_owner_and_equal_ones_count_once(limited, gateway):
    first = await upload(gateway, zip_of(64))
    [dataset] = (gateway.settings.data_dir / "datasets").iterdir()
    most_bytes = dataset.stat().st_size + 50
    await gateway.client.delete(f"/files/{first.json()['file_id']}")
    async with limited(max_file_bytes_per_owner=most_bytes) as other:
        file_id = (await upload(other, zip_of(64))).json()["file_id"]
        assert (await upload(other, zip_of(64))).status_code == 200
        refused = await upload(other, zip_of(63))
        assert refused.status_code == 413
        said = f"of at most {most_bytes / MIB:,.1f} MiB, and this one has"
        assert said in refused.json()["detail"]
        assert len(list((other.settings.data_dir / "datasets").iterdir())) == 1
        await other.client.delete(f"/files/{file_id}")
        assert (await upload(other, zip_of(63))).status_code == 413
        [left] = (await other.client.get("/files")).json()
        await other.client.delete(f"/files/{left['file_id']}")
        assert (await upload(other, zip_of(63))).status_code == 200


async def test_so_many_jobs_and_comparisons_an_owner(limited, learner):
    async with limited(max_jobs_per_owner=1) as gateway:
        done = await gateway.until(await gateway.start_job(), "completed")
        learner.hold.clear()
        key = {"Idempotency-Key": "nightly"}
        running = (await gateway.train(done["data_file_id"], headers=key)).json()["job_id"]
        asked = (
            gateway.train(done["data_file_id"]),
            gateway.client.post(
                f"/jobs/{done['job_id']}/evaluate", json={"file_id": done["data_file_id"]}
            ),
        )
        for request in asked:
            refused = await request
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
            said = "you have 1 of at most 1 jobs and comparisons that have not ended; wait for one"
            assert refused.json()["detail"].startswith(said)
        assert list((gateway.settings.data_dir / "adapters").iterdir()) == []
        again = await gateway.train(done["data_file_id"], headers=key)
        assert again.json()["job_id"] == running
        await gateway.client.delete(f"/jobs/{running}")
        assert (await gateway.train(done["data_file_id"])).status_code == 200
