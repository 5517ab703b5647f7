"""Everything around a comparison, on the real stack: split, report, again, elsewhere, try, look."""

import base64
import csv
import io
import math
import zipfile
from functools import partial
from pathlib import Path

import openai
import pytest
import requests

from tally.messages.languages import Language
from tally.messages.message import Message

TRAINING = {
    "max_steps": 4,
    "learning_rate": 2e-3,
    "batch_size": 6,
    "gradient_accumulation_steps": 1,
    "temperature": 1.0,
    "use_4bit": False,
}


@pytest.fixture(scope="module")
def many_id(stack, many_zip: Path) -> str:
    return stack.upload(many_zip)


@pytest.fixture(scope="module")
def job(stack, many_id: str) -> dict:
    job = stack.wait(stack.train(many_id, **TRAINING))
    assert job["status"] == "completed", job
    return job


def get(stack, path: str, language: str = "en") -> requests.Response:
    headers = {"Accept-Language": language}
    response = requests.get(stack.url + path, timeout=60, headers=headers)
    response.raise_for_status()
    return response


def test_held_out_images_are_compared_and_never_trained_on(stack, job: dict):
    evaluation = stack.get(f"/jobs/{job['job_id']}/evaluation")
    held_out = set(evaluation["held_out"]["rows"])
    assert evaluation["num_samples"] == len(held_out) == 6
    shown = stack.get(f"/jobs/{job['job_id']}/samples")["steps"]
    assert [step["step"] for step in shown] == [4, 3, 2, 1]
    rows = {group["row"] for step in shown for group in step["groups"]}
    assert rows
    assert not rows & held_out


def test_the_figures_are_those_of_its_table(stack, job: dict):
    evaluation = stack.get(f"/jobs/{job['job_id']}/evaluation")
    text = get(stack, f"/jobs/{job['job_id']}/evaluation.csv").text
    lines = list(csv.DictReader(io.StringIO(text)))
    assert {int(line["row"]) for line in lines} == set(evaluation["held_out"]["rows"])
    for model in ("base", "adapter"):
        own = [line for line in lines if line["model"] == model]
        errors = [abs(int(one["count"]) - int(one["true_count"])) for one in own if one["count"]]
        by_hand = {
            "exact_rate": errors.count(0) / len(own),
            "within_one_rate": sum(error <= 1 for error in errors) / len(own),
            "mean_absolute_count_error": sum(errors) / len(errors),
            "root_mean_square_count_error": math.sqrt(sum(e * e for e in errors) / len(errors)),
            "reward_mean": sum(float(one["reward"]) for one in own) / len(own),
        }
        assert {name: evaluation[model][name] for name in by_hand} == pytest.approx(by_hand)
        calibration = evaluation["calibration"][model]
        for bound in calibration["abstention"]:
            kept = [one for one in own if float(one["probability"]) >= bound["abstain_below"]]
            counted = [one for one in kept if one["count"]]
            assert bound["answered_rate"] == pytest.approx(len(counted) / len(own))


def test_the_page_is_in_the_download(stack, job: dict):
    archive = zipfile.ZipFile(io.BytesIO(get(stack, f"/jobs/{job['job_id']}/download").content))
    page = get(stack, f"/jobs/{job['job_id']}/evaluation.html").content
    assert archive.read("evaluation.html") == page
    chinese = get(stack, f"/jobs/{job['job_id']}/evaluation.html", "zh-TW").text
    assert archive.read("evaluation.zh-TW.html").decode() == chinese
    assert '<html lang="zh-TW">' in chinese
    assert len(archive.namelist()) == 12


def test_the_warnings_of_a_comparison_are_said_in_chinese(stack, job: dict):
    path = f"/jobs/{job['job_id']}/evaluation"
    english, chinese = (get(stack, path, language).json() for language in ("en", "zh-TW"))
    assert len(english["warnings"]) == len(chinese["warnings"]) == len(english["cautions"])
    said = [Message(one["code"], **one["parameters"]) for one in english["cautions"]]
    assert english["warnings"] == list(map(str, said))
    assert chinese["warnings"] == [one.say(Language.CHINESE) for one in said]


def test_the_adapter_is_compared_again_and_as_a_strangers(stack, job: dict, file_id: str):
    url = f"{stack.url}/jobs/{job['job_id']}"
    again = requests.post(f"{url}/evaluate", json={"file_id": file_id}, timeout=60).json()
    download = get(stack, f"/jobs/{job['job_id']}/download").content
    sent = requests.post(
        f"{stack.url}/evaluations",
        files={"adapter": ("mine.zip", download)},
        data={"file_id": file_id, "max_image_size": "112", "max_new_tokens": "12"},
        timeout=60,
    ).json()
    first, second = (stack.evaluation(one["evaluation_id"]) for one in (again, sent))
    assert first["num_samples"] == 18
    figures = ("base", "adapter", "difference", "matrix", "worst")
    assert {name: first[name] for name in figures} == {name: second[name] for name in figures}
    assert [one["job_id"] for one in stack.get("/evaluations")] == [None, job["job_id"]]


def test_base_and_adapter_answer_one_picture(stack, job: dict, many_id: str):
    evaluation = stack.get(f"/jobs/{job['job_id']}/evaluation")
    table = csv.DictReader(io.StringIO(get(stack, f"/jobs/{job['job_id']}/evaluation.csv").text))
    lines = [line for line in table if line["row"] == str(evaluation["held_out"]["rows"][0])]
    picture = get(stack, f"/files/{many_id}/images/{lines[0]['row']}").content
    answer = requests.post(
        f"{stack.url}/predict",
        files={"image": picture},
        data={"question": lines[0]["question"], "job_id": job["job_id"]},
        timeout=120,
    ).json()
    assert [answer[line["model"]]["text"] for line in lines] == [line["answer"] for line in lines]
    assert [str(answer[line["model"]]["count"]) for line in lines] == [
        line["count"] for line in lines
    ]


def test_the_openai_client_is_told_the_same(stack, job: dict, many_id: str):
    picture = get(stack, f"/files/{many_id}/images/2").content
    text = "How many apples are there?"
    answers = requests.post(
        f"{stack.url}/predict",
        files={"image": picture},
        data={"question": text, "job_id": job["job_id"]},
        timeout=120,
    ).json()
    url = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    image = {"type": "image_url", "image_url": {"url": url}}
    messages = [{"role": "user", "content": [{"type": "text", "text": text}, image]}]
    with openai.OpenAI(base_url=f"{stack.url}/v1", api_key="none") as client:
        base, *adapters = (model.id for model in client.models.list())
        assert job["job_id"] in adapters
        for model, said in ((base, answers["base"]), (job["job_id"], answers["adapter"])):
            create = partial(client.chat.completions.create, model=model, messages=messages)
            assert create().choices[0].message.content == said["text"]
            chunks = [chunk.choices[0].delta.content or "" for chunk in create(stream=True)]
            assert "".join(chunks) == said["text"]


def repacked(source: Path, target: Path, change) -> Path:
    """The ZIP with the rows that `change` makes of its rows; it leaves a row out with None."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        rows = [change(row) for row in csv.DictReader(io.StringIO(old.read("main.csv").decode()))]
        rows = [row for row in rows if row]
        table = io.StringIO()
        writer = csv.DictWriter(table, ["images_path", "question", "answer"])
        writer.writeheader()
        writer.writerows(rows)
        new.writestr("main.csv", table.getvalue())
        for name in {f"images/{row['images_path']}" for row in rows}:
            new.writestr(name, old.read(name))
    return target


def count_of(row: dict) -> int:
    return int(row["answer"].split()[3])


def preflight(stack, path: Path, language: str = "en", **training_config: object) -> dict:
    body = {
        "job_name": "preflight",
        "data_file_id": stack.upload(path),
        "training_config": {"max_image_size": 112, "max_new_tokens": 12, "use_4bit": False}
        | training_config,
        "lora_config": {"r": 8},
    }
    url, headers = f"{stack.url}/train?dry_run=true", {"Accept-Language": language}
    response = requests.post(url, json=body, headers=headers, timeout=300)
    assert response.status_code == 200, response.text
    return response.json()


def codes(result: dict) -> set[str]:
    return {finding["code"] for finding in result["findings"]}


def test_preflight_at_the_ceiling(stack, many_zip: Path, tmp_path: Path):
    easy = repacked(many_zip, tmp_path / "a.zip", lambda row: row if count_of(row) <= 2 else None)
    result = preflight(stack, easy)
    assert "nothing_left_to_learn" in codes(result), result
    assert "never_right" not in codes(result)
    assert (result["ok"], result["data"]["rows"]) == (True, 14)
    assert result["base"]["exact_rate"] >= 0.97


def test_preflight_where_nothing_is_right(stack, many_zip: Path, tmp_path: Path):
    def far_off(row: dict) -> dict:
        return row | {"answer": f"A photo of {count_of(row) + 40} things"}

    result = preflight(stack, repacked(many_zip, tmp_path / "b.zip", far_off))
    assert "never_right" in codes(result), result
    assert result["base"]["any_right_rate"] == 0
    assert not {"nothing_left_to_learn", "unbalanced_counts"} & codes(result)


def test_preflight_of_unbalanced_rows(stack, many_zip: Path, tmp_path: Path):
    few = {"7": 0}

    def mostly_seven(row: dict) -> dict | None:
        few["7"] += count_of(row) != 7
        return row if count_of(row) == 7 or few["7"] <= 3 else None

    before = len(stack.get("/jobs"))
    path = repacked(many_zip, tmp_path / "c.zip", mostly_seven)
    result = preflight(stack, path)
    finding = next(f for f in result["findings"] if f["code"] == "unbalanced_counts")
    assert "have the count 7" in finding["message"]
    chinese = preflight(stack, path, language="zh-TW")
    [said] = [one["message"] for one in chinese["findings"] if one["code"] == finding["code"]]
    assert said.endswith("總是回答 7 就會得到獎勵；請加入其他數量的圖片")
    assert finding["where"] == "data_file_id"
    assert len(stack.get("/jobs")) == before


def test_preflight_of_what_does_not_fit_the_memory(stack, many_zip: Path):
    result = preflight(stack, many_zip, batch_size=1024, num_generations=64, max_new_tokens=512)
    finding = next(f for f in result["findings"] if f["code"] == "not_enough_memory")
    assert not result["ok"]
    memory = result["memory"]
    assert memory["estimated_bytes"] > memory["available_bytes"] > 0
    suggested = finding["suggestion"]["training_config"]
    fitting = {"num_generations": 64, "max_new_tokens": 512} | suggested
    again = preflight(stack, many_zip, **fitting)
    assert "not_enough_memory" not in codes(again), (suggested, again["memory"])


def test_preflight_counts_the_steps_that_the_job_took(stack, many_zip: Path, job: dict):
    result = preflight(stack, many_zip, **TRAINING)
    assert result["steps"] == {
        "steps_per_epoch": 9,
        "total_steps": job["total_steps"],
        "completions_per_step": 48,
    }
    assert (result["data"]["training_rows"], result["data"]["held_out_rows"]) == (54, 6)
    assert result["time"]["basis"].startswith("the steps of an earlier job")
    assert result["time"]["seconds"] > 0
    assert len(result["data"]["kinds"]) > 2
