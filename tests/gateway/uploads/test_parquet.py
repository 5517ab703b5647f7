"""A Hugging Face data set in Parquet, through the gateway's door."""

import io
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest
from pyarrow import parquet

from gateway.settings import GatewaySettings
from tests.gateway.conftest import running
from tests.gateway.packing import image_bytes, pack
from tests.small_disk import small_disk

PICTURES = [image_bytes("PNG"), image_bytes("JPEG"), image_bytes("PNG")]
CHINESE = {"Accept-Language": "zh-TW"}


def table(**columns: list) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def asked(pictures: list[bytes], *answers: str) -> bytes:
    return table(
        image=[{"bytes": data, "path": None} for data in pictures],
        problem=[f"How many of {answer}?" for answer in answers],
        solution=list(answers),
    )


async def rows_of(gateway, files: dict[str, bytes]) -> list[tuple]:
    answer = await gateway.upload(pack(files))
    assert answer.status_code == 200, answer.text
    assert answer.json()["warnings"] == []
    page = (await gateway.client.get(f"/files/{answer.json()['file_id']}/rows")).json()
    return [(row["row"], row["question"], row["true_count"]) for row in page["rows"]]


async def test_its_files_are_one_data_set_in_the_order_of_their_names(gateway, learner):
    files = {
        "coins/README.md": b"# Coins",
        "coins/dataset_infos.json": b"{}",
        "coins/data/train-00001-of-00002.parquet": asked(PICTURES[:1], "7 coins"),
        "coins/data/train-00000-of-00002.parquet": asked(
            PICTURES, "<answer>3</answer>", "4", "five"
        ),
    }
    assert await rows_of(gateway, files) == [
        (1, "How many of <answer>3</answer>?", 3),
        (2, "How many of 4?", 4),
        (3, "How many of five?", 5),
        (4, "How many of 7 coins?", 7),
    ]
    [file] = (await gateway.client.get("/files")).json()
    assert (file["csv_rows"], file["valid_images"]) == (4, 2)
    job_id = (await gateway.train(file["file_id"])).json()["job_id"]
    await gateway.until(job_id, "completed")


async def test_it_is_in_no_encoding_that_one_could_ask_for(gateway):
    data = pack({"a.parquet": asked(PICTURES[:1], "7 枚")})
    answer = await gateway.upload(data, encoding="utf-16")
    assert answer.status_code == 200, answer.text


async def test_a_file_that_takes_too_long_is_refused(settings: GatewaySettings):
    hurried = {"validation_seconds": 0.5, "validation_seconds_per_mib": 0.0}
    many = table(image=[PICTURES[0]] * 400_000, question=["q"] * 400_000, answer=["1"] * 400_000)
    async with running(settings.model_copy(update=hurried | {"max_rows": 10**6})) as gateway:
        answer = await gateway.upload(pack({"a.parquet": many}))
        assert (answer.status_code, answer.json()["code"]) == (413, "checking_too_long")


async def test_a_table_that_is_documented_comes_before_it(gateway):
    files = {
        "main.csv": b"images_path,question,answer\na.png,How many?,2\n",
        "images/a.png": PICTURES[0],
        "extra.parquet": b"no Parquet at all",
    }
    answer = await gateway.upload(pack(files))
    assert answer.status_code == 200, answer.text
    assert answer.json()["warnings"] == ["extra.parquet: no row names it"]


@pytest.mark.parametrize(
    ("data", "where", "code"),
    [
        (b"x" * 100, "a.parquet", "parquet_damaged"),
        (asked(PICTURES, "1", "2", "3")[:-20], "a.parquet", "parquet_damaged"),
        (table(image=PICTURES, count=[1, 2, 3]), "a.parquet", "parquet_column_missing"),
        (
            table(image=["a.png"], question=["q"], answer=["1"]),
            "a.parquet",
            "parquet_picture_missing",
        ),
        (asked([b"no picture"], "1"), "images/9ed97c950c330a5b556b00fe.img", "picture_format"),
        (asked(PICTURES[:1], "many"), "row 1", "answer_no_number"),
    ],
)
async def test_what_is_wrong_with_it_is_said(gateway, data: bytes, where: str, code: str):
    answer = await gateway.upload(pack({"a.parquet": data}))
    body = answer.json()
    assert answer.status_code == 422, body
    assert (body["errors"][0]["where"], body["code"]) == (where, code)
    files = {"file": ("a.zip", pack({"a.parquet": data}))}
    again = await gateway.client.post("/upload-data", files=files, headers=CHINESE)
    assert again.json()["detail"] != body["detail"]
    assert (await gateway.client.get("/files")).json() == []


@pytest.mark.parametrize("seed", range(6))
async def test_damage_anywhere_is_no_failure_of_the_gateway(gateway, seed: int):
    data, random = bytearray(asked(PICTURES, "1", "2", "3")), Random(seed)
    for place in random.sample(range(len(data)), 1 + seed):
        data[place] ^= 1 << random.randrange(8)
    answer = await gateway.upload(pack({"a.parquet": bytes(data)}))
    assert answer.status_code in (200, 413, 422), answer.text
    good = await gateway.upload(pack({"a.parquet": asked(PICTURES, "1", "2", "3")}))
    assert good.status_code == 200


async def test_a_file_that_inflates_beyond_the_memory_is_refused(settings: GatewaySettings):
    """64 rows of one dictionary's word, each of 64 MiB once it is a string."""
    word = pa.DictionaryArray.from_arrays(pa.array([0] * 64), pa.array(["x" * 2**26]))
    rows = pa.table({"image": [PICTURES[0]] * 64, "question": word, "answer": ["1"] * 64})
    buffer = io.BytesIO()
    parquet.write_table(rows, buffer, compression="zstd", store_schema=False)
    data = buffer.getvalue()
    assert len(data) < 2**20
    bounded = settings.model_copy(update={"max_parquet_memory_bytes": 2**30})
    async with running(bounded) as gateway:
        answer = await gateway.upload(pack({"a.parquet": data}))
        assert answer.status_code == 413, answer.text
        assert answer.json()["code"] == "parquet_too_large"
        good = {"a.parquet": asked(PICTURES, "1", "2", "3")}
        assert len(await rows_of(gateway, good)) == 3


async def test_a_disk_that_it_does_not_fit_is_told_so(settings: GatewaySettings):
    """The upload and its file lie there already, the ZIP of its pictures not yet."""
    data = pack({"a.parquet": asked([Random(0).randbytes(6 * 2**20)], "1")})
    with small_disk(settings.data_dir) as disk:
        async with running(settings) as gateway:
            disk.fill(free_bytes=15 * 2**20)
            answer = await gateway.upload(data)
            assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")
            disk.empty()
            good = await gateway.upload(pack({"a.parquet": asked(PICTURES, "1", "2", "3")}))
            assert good.status_code == 200, good.text


async def test_a_gateway_without_the_reader_says_what_would_be_right(
    gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "pyarrow.py").write_text("raise ImportError('not installed')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path.cwd()}")
    answer = await gateway.upload(pack({"a.parquet": asked(PICTURES, "1", "2", "3")}))
    assert (answer.status_code, answer.json()["code"]) == (422, "parquet_not_read")
    assert "tally import" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("bound", "where", "code"),
    [
        ({"max_unpacked_bytes": 2**16}, "file", "unpacks_too_large"),
        ({"max_rows": 2}, "file", "too_many_rows"),
        ({"max_image_bytes": 2**16}, "images/8a39d2abd3999ab73c34db24.img", "entry_too_large"),
    ],
)
async def test_the_bounds_of_any_upload_are_its_own(
    settings: GatewaySettings, bound: dict[str, int], where: str, code: str
):
    """A small file, for its picture is one byte over and over."""
    data = pack({"a.parquet": asked([bytes(2**18)] * 3, "1", "2", "3")})
    async with running(settings.model_copy(update=bound)) as gateway:
        answer = await gateway.upload(data)
        body = answer.json()
        assert answer.status_code == 413, body
        assert (body["errors"][0]["where"], body["code"]) == (where, code)
