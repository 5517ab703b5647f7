"""The files of the page: their size, their words, and how they are served."""

import json
import re
from dataclasses import fields
from importlib.resources import files

import pytest
from pydantic import SecretStr

from gateway.jobs.train_models import TrainRequest
from gateway.page.assets import load_assets
from gateway.page.charts import FILES
from reward_service.rewards import REWARDS
from tally.job.comparison import EvaluationScores
from tally.job.metrics import StepMetrics
from tally.job.prompt_template import PromptTemplate
from tally.job.settings import LoraConfig, TrainingConfig
from tests.ui.words import LANGUAGES, Words

OWN = files("gateway") / "page" / "static"
MOST_BYTES = 90_000
# What the form takes from the schema of a request, beside the two groups.
PLAIN_FIELDS = {
    name
    for name, schema in TrainRequest.model_json_schema()["properties"].items()
    if schema.get("type") in ("integer", "number", "boolean")
}


def test_our_own_code_is_small():
    own = [file for file in OWN.iterdir() if file.name.endswith((".js", ".css"))]
    assert len(own) > 10
    assert sum(len(file.read_bytes()) for file in own) <= MOST_BYTES


def test_both_languages_say_the_same_things():
    english, chinese = (Words(language).keys() for language in LANGUAGES)
    assert english == chinese


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_setting_is_explained(language):
    words = Words(language)
    groups = (TrainingConfig, LoraConfig, PromptTemplate)
    for name in (*(name for group in groups for name in group.model_fields), *PLAIN_FIELDS):
        assert words(f"set.{name}")
        assert words(f"help.{name}")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("prefix", "figures"), [("curve.", StepMetrics), ("figure.", EvaluationScores)]
)
def test_the_page_has_words_for_every_figure_and_for_no_other(language, prefix, figures):
    keys = Words(language).keys()
    shown = {key.removeprefix(prefix) for key in keys if key.startswith(prefix)}
    assert shown == {field.name for field in fields(figures)}


def test_the_built_in_rewards_are_explained_as_their_service_does():
    words = Words("en")
    keys = words.keys()
    explained = {key.removeprefix("reward.") for key in keys if key.startswith("reward.")}
    assert explained == set(REWARDS)
    assert all(words(f"reward.{name}") == one.description for name, one in REWARDS.items())


def test_the_curves_are_metrics_that_there_are():
    source = (OWN / "curves.js").read_text("utf-8")
    lines = re.findall(r"const (?:LINES|STAGES) = {(.*)};", source)
    drawn = {name for line in lines for name in re.findall(r"(\w+): [\[']", line)}
    assert len(drawn) > 5
    assert drawn <= {field.name for field in fields(StepMetrics)}


def test_the_presets_are_settings_that_there_are():
    choices = json.loads((OWN / "presets.json").read_text("utf-8"))
    groups = {"training_config": TrainingConfig, "lora_config": LoraConfig}
    for preset in choices["presets"].values():
        for group, settings in preset.items():
            groups[group](**settings)
    known = PLAIN_FIELDS | {name for group in groups.values() for name in group.model_fields}
    assert set(choices["documented"]) <= known


def test_index_names_the_chart_library_by_its_digest():
    index = load_assets()["index.html"].content.decode()
    assert f'src="/ui/uplot.js" integrity="{FILES["uplot.js"].integrity}"' in index


def test_without_the_chart_library_nothing_asks_for_it(tmp_path):
    assets = load_assets(charts_folder=tmp_path)
    assert not {"uplot.js", "uplot.css"} & set(assets)
    assert b"uplot" not in assets["index.html"].content
    assert b"/ui/app.js" in assets["index.html"].content


@pytest.mark.parametrize("path", ["/ui", "/ui/", "/ui/app.js", "/ui/zh-TW.json", "/ui/uplot.js"])
async def test_the_page_is_served_under_a_strict_policy(gateway, path):
    response = await gateway.client.get(path)
    assert response.status_code == 200
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-encoding"] == "gzip"


async def test_what_a_browser_has_is_not_sent_again(gateway):
    tag = (await gateway.client.get("/ui/app.js")).headers["etag"]
    again = await gateway.client.get("/ui/app.js", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    other = await gateway.client.get("/ui/app.js", headers={"If-None-Match": '"x"'})
    assert other.status_code == 200


@pytest.mark.parametrize("name", ["nothing.js", "..%2fapp.py", "%2e%2e%2fapp.py", "page.py"])
async def test_nothing_else_is_served(gateway, name):
    assert (await gateway.client.get(f"/ui/{name}")).status_code == 404


async def test_the_page_needs_no_token_and_its_data_does(start_gateway, settings):
    guarded = settings.model_copy(update={"token": SecretStr("s3cret")})
    async with start_gateway(guarded) as gateway:
        assert (await gateway.client.get("/ui")).status_code == 200
        assert (await gateway.client.get("/ui/app.js")).status_code == 200
        for path in ("/jobs", "/uix", "/ui/../jobs", "/openapi.json"):
            assert (await gateway.client.get(path)).status_code == 401, path
