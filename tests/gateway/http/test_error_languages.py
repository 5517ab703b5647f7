"""A refusal in the reader's language: the same code and place, wherever it is made."""

import pytest

from tally.messages.convert import coded_message
from tally.messages.languages import Language
from tally.messages.message import Message
from tests.gateway.event_text import parse_events
from tests.gateway.packing import good_zip, with_rows

CHINESE = {"Accept-Language": "zh-TW,zh;q=0.9,en;q=0.8"}


@pytest.mark.parametrize(
    ("asked", "code", "english", "chinese"),
    [
        (
            ("GET", "/nowhere", b""), "no_such_address",
            "there is nothing at this address; /docs lists what there is",
            "這個網址沒有內容；所有網址請見 /docs",
        ),
        (
            ("GET", "/jobs/x", b""), "no_such_job",
            "job_id: there is no such job; GET /jobs lists those there are",
            "job_id：沒有這個任務；現有的任務請見 GET /jobs",
        ),
        (
            ("GET", "/jobs?limit=0", b""), "greater_than_equal",
            "limit: Input should be greater than or equal to 1",
            "limit：必須大於或等於 1",
        ),
        (
            ("POST", "/train", bytes(300_000)), "too_many_bytes",  # a gate before FastAPI
            "body: is larger than 262,144 bytes",
            "body：超過 262,144 位元組",
        ),
        (
            ("POST", "/train", b"{"), "json_invalid",
            "body: is not JSON from character 1 on; check quotes, commas and brackets",
            "body：從第 1 個字元起不是 JSON；請檢查引號、逗號與括號",
        ),
    ],
)  # fmt: skip
async def test_a_refusal_is_said_in_both_languages(gateway, asked, code, english, chinese):
    method, path, body = asked
    for accepted, language, detail in (({}, "en", english), (CHINESE, "zh-TW", chinese)):
        headers = {"Content-Type": "application/json", **accepted}
        answer = await gateway.client.request(method, path, content=body, headers=headers)
        assert (answer.json()["code"], answer.json()["detail"]) == (code, detail)
        assert answer.headers["content-language"] == language
        assert answer.headers["vary"] == "Accept-Language"


@pytest.mark.parametrize(
    ("data", "code", "chinese"),
    [
        (with_rows("gone.png,How many?,3"), "image_missing", "第 2 列：ZIP 裡沒有 images/gone.png"),
        (
            with_rows("apple1.jpg,How many?,about 20"), "answer_range",
            (
                "第 2 列：答案「about 20」不是確切的數量；請寫一個確切的數量，"
                "例如「A photo of 3 apples」"
            ),
        ),
        (b"Rar!", "other_archive", "file：不是 ZIP，而是 RAR；請傳送 ZIP"),
    ],
)  # fmt: skip
async def test_a_bad_upload_has_the_same_place_in_both(gateway, data, code, chinese):
    answers = []
    for headers in ({}, CHINESE):
        files = {"file": ("a.zip", data)}
        answer = await gateway.client.post("/upload-data", files=files, headers=headers)
        answers.append(answer.json())
    found = [[(error["where"], error["code"]) for error in one["errors"]] for one in answers]
    assert found[0] == found[1]
    assert {one["code"] for one in answers} == {code}
    assert answers[1]["detail"] == chinese


async def test_warnings_are_said_in_the_uploaders_language(gateway):
    data = with_rows("apple1.jpg,How many?,3", "apple1.jpg,How many?,3")
    for headers, warnings in (
        ({}, ["row 3: repeats row 2", "images/apple2.png: no row names it"]),
        (CHINESE, ["第 3 列：與第 2 列重複", "images/apple2.png：沒有任何一列用到它"]),
    ):
        files = {"file": ("a.zip", data)}
        answer = await gateway.client.post("/upload-data", files=files, headers=headers)
        assert answer.json()["warnings"] == warnings
        listed = (await gateway.client.get("/files")).json()
        assert warnings in [file["warnings"] for file in listed]


NEED = {"need": 9.04, "have": 8.0, "each": Message("for_each_process", processes=2), "more": ""}


@pytest.mark.parametrize(
    ("said", "english", "chinese"),
    [
        (
            Message("memory_needed", **NEED),
            "an estimated 9.0 GB are needed and there are 8.0 GB for each of 2 processes",
            "2 個行程中的每一個估計需要 9.0 GB，而可用的有 8.0 GB",
        ),
        (
            Message("of_another_release"),
            "an estimated 9.0 GB are needed",
            "原文為：an estimated 9.0 GB are needed",
        ),
        (
            Message("few_rows", of_another_release=3),
            "an estimated 9.0 GB are needed",
            "原文為：an estimated 9.0 GB are needed",
        ),
    ],
    ids=["known", "unknown code", "unknown value"],
)
async def test_what_preflight_finds_is_said_in_both(gateway, learner, said, english, chinese):
    learner.said = coded_message(said)
    file_id = (await gateway.upload(good_zip())).json()["file_id"]
    body = {"job_name": "apples", "data_file_id": file_id}
    for headers, sentence in (({}, english), (CHINESE, chinese)):
        url = "/train?dry_run=true"
        answer = await gateway.client.post(url, json=body, headers=headers)
        [finding] = answer.json()["findings"]
        assert (finding["code"], finding["message"]) == ("not_enough_memory", sentence)


async def test_a_comparison_is_said_in_both(gateway, learner):
    learner.cautions = [{"code": "adapter_silent", "parameters": {"silent": 0.25}}]
    learner.warnings = ["25% of the answers of the adapter hold no count"]
    file_id = (await gateway.upload(good_zip())).json()["file_id"]
    job_id = await gateway.start_job(evaluation_file_id=file_id)
    await gateway.until(job_id, "completed")
    for headers, warnings, page in (
        ({}, learner.warnings, "<!doctype html>"),
        (CHINESE, ["轉接器的回答有 25% 不含數量"], "<!doctype html><html lang=zh-TW>"),
    ):
        answer = await gateway.client.get(f"/jobs/{job_id}/evaluation", headers=headers)
        assert answer.json()["warnings"] == warnings
        assert answer.json()["cautions"] == learner.cautions
        shown = await gateway.client.get(f"/jobs/{job_id}/evaluation.html", headers=headers)
        assert shown.text == page


async def test_a_comparison_of_before_there_were_two_languages_keeps_its_words(gateway, learner):
    learner.cautions, learner.warnings = [], ["an older sentence"]
    learner.is_english_alone = True
    file_id = (await gateway.upload(good_zip())).json()["file_id"]
    job_id = await gateway.start_job(evaluation_file_id=file_id)
    await gateway.until(job_id, "completed")
    answer = await gateway.client.get(f"/jobs/{job_id}/evaluation", headers=CHINESE)
    assert answer.json()["warnings"] == ["an older sentence"]
    shown = await gateway.client.get(f"/jobs/{job_id}/evaluation.html", headers=CHINESE)
    assert (shown.text, shown.headers["content-language"]) == ("<!doctype html>", "en")


async def test_why_a_job_failed_is_said_in_both(gateway, learner):
    learner.fail_with, learner.said = "out of memory; …", coded_message(Message("out_of_memory"))
    job_id = await gateway.start_job()
    await gateway.until(job_id, "failed")
    for language, headers in ((Language.ENGLISH, {}), (Language.CHINESE, CHINESE)):
        said = Message("out_of_memory").say(language)
        answer = await gateway.client.get(f"/jobs/{job_id}", headers=headers)
        assert answer.json()["error_message"] == said
        assert answer.headers["content-language"] == language
        assert "Accept-Language" in answer.headers["vary"]
        [listed] = (await gateway.client.get("/jobs", headers=headers)).json()
        assert listed["error_message"] == said
        events = await gateway.client.get(f"/jobs/{job_id}/events", headers=headers)
        assert events.headers["content-language"] == language
        _, kind, ended = parse_events(events.text)[-1]
        assert (kind, ended["error_message"]) == ("ended", said)
        assert "said" not in ended


async def test_what_a_job_notices_is_said_in_both(gateway, learner):
    learner.notice_codes = ["teaches_again"]
    learner.said = coded_message(Message("teaches_again", step=3))
    job_id = await gateway.start_job()
    await gateway.until(job_id, "completed")
    for headers, said in ((CHINESE, "第 3 步又學到東西了"), ({}, "step 3 taught again")):
        events = await gateway.client.get(f"/jobs/{job_id}/events", headers=headers)
        [notice] = [data for _, kind, data in parse_events(events.text) if kind == "notice"]
        assert (notice["message"], notice["code"]) == (said, "teaches_again")
        assert "said" not in notice


async def test_what_was_said_without_a_code_keeps_its_words(gateway, learner):
    learner.fail_with = "the moon was full"
    job_id = await gateway.start_job()
    await gateway.until(job_id, "failed")
    for headers, said in (({}, "the moon was full"), (CHINESE, "原文為：the moon was full")):
        answer = await gateway.client.get(f"/jobs/{job_id}", headers=headers)
        assert answer.json()["error_message"] == said


async def test_several_problems_are_counted_in_both(gateway):
    data = with_rows("gone.png,How many?,3", "lost.png,How many?,4")
    files = {"file": ("a.zip", data)}
    answer = await gateway.client.post("/upload-data", files=files, headers=CHINESE)
    assert answer.json()["detail"] == "第 2 列：ZIP 裡沒有 images/gone.png（另有 1 處）"
    assert [error["where"] for error in answer.json()["errors"]] == ["row 2", "row 3"]


async def test_what_the_learner_refuses_keeps_its_words_after_a_chinese_beginning(gateway, learner):
    learner.base_models = ("Qwen/Qwen2.5-VL-3B-Instruct",)
    file_id = (await gateway.upload(good_zip())).json()["file_id"]
    answer = await gateway.train(file_id, model="other/model", headers=CHINESE)
    assert answer.json()["code"] == "failed_precondition"
    assert answer.json()["detail"] == (
        "job：目前無法進行：the learner refuses it: base_model: not on this learner's list"
    )


async def test_a_failure_on_this_side_is_said_in_both(start_gateway, settings):
    lost = settings.reward.model_copy(update={"target": "127.0.0.1:9"})
    async with start_gateway(settings.model_copy(update={"reward": lost})) as gateway:
        files = {"file": ("a.zip", good_zip())}
        answer = await gateway.client.post("/upload-data", files=files, headers=CHINESE)
    assert (answer.status_code, answer.json()["code"]) == (503, "service_away")
    assert answer.json()["detail"].startswith("後方的服務沒有回應；請再試一次；紀錄檔中的編號是 ")
    assert answer.headers["retry-after"]


async def test_a_missing_token_is_said_in_both(gateway):
    await gateway.new_token("laptop", "writer")
    answer = await gateway.client.get("/jobs", headers=CHINESE)
    assert answer.json()["detail"] == "需要權杖：請傳送標頭「Authorization: Bearer <權杖>」"
    assert (answer.json()["code"], answer.json()["errors"]) == ("token_needed", [])
