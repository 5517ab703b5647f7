"""The OpenAPI document against the gateway: the checks of Schemathesis, on every operation.

Bounded here; `make fuzz` looks for longer.
"""

import os
import subprocess
import sys
from pathlib import Path

from tests.gateway.packing import good_zip, image_bytes, pack
from tests.hostile.oracle import Refused, Target, judge, upload
from tests.waiting import wait_until

CONFIG = Path(__file__).with_name("schemathesis.toml")
EXAMPLES = os.environ.get("TALLY_FUZZ_EXAMPLES", "10")
SEED = os.environ.get("TALLY_FUZZ_SEED", "1")


DELETED = {
    "/files/{file_id}": "file_id",
    "/jobs/{job_id}": "job_id",
    "/evaluations/{evaluation_id}": "evaluation_id",
    "/predictions/{prediction_id}": "prediction_id",
}


def known_ids(target: Target) -> dict[str, str]:
    """Of a file and of jobs that are there, so that more than 404 is looked at."""
    post = target.client.post
    file_id = upload(good_zip())(target.client).json()["file_id"]
    job_id = post("/train", json={"job_name": "a", "data_file_id": file_id}).json()["job_id"]
    evaluated = f"/jobs/{job_id}"
    wait_until(lambda: target.client.get(evaluated).json()["status"] == "completed")
    evaluation = post(f"{evaluated}/evaluate", json={"file_id": file_id}).json()
    pictures = {"file": ("a.zip", pack({"a.png": image_bytes()}))}
    asked = post("/predictions", files=pictures, data={"question": "How many?"}).json()
    ids = {"evaluation_id": evaluation["evaluation_id"], "prediction_id": asked["prediction_id"]}
    return {"file_id": file_id, "job_id": job_id, **ids}


def _parameters(ids: dict[str, str]) -> str:
    return "\n".join(f'"path.{name}" = "{value}"' for name, value in ids.items())


def test_every_operation_does_as_it_says(target: Target, tmp_path: Path) -> None:
    config = tmp_path / "schemathesis.toml"
    config.write_text(f"[parameters]\n{_parameters(known_ids(target))}\n\n{CONFIG.read_text()}")
    with config.open("a") as file:  # what is deleted is not what the other operations look at
        for path, name in DELETED.items():
            id_of_its_own = _parameters({name: known_ids(target)[name]})
            file.write(f"""
[[operations]]
include-method = "DELETE"
include-path = "{path}"
[operations.parameters]
{id_of_its_own}
""")
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"]
    command += [f"{target.client.base_url}/openapi.json", "--checks", "all", "--no-color"]
    # DELETE asks a job to stop; it stays where it is listed.
    command += ["--exclude-checks", "use_after_free"]
    command += ["--continue-on-failure", "--seed", SEED, "--max-examples", EXAMPLES]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    judge(target, upload(b""), Refused(where="file"))
