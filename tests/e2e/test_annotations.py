"""Real photographs, as others annotate and pack them, become data that trains."""

import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.annotated_photographs import coco_files, parquet_files, yolo_files
from tests.gateway.packing import pack
from tests.stack import ROOT, Stack

SHEETS = 8
FORMS = {"COCO": coco_files, "YOLO": yolo_files, "Parquet": parquet_files}
TRAINING = {
    "max_steps": 1, "batch_size": 4, "gradient_accumulation_steps": 1, "temperature": 1.0,
    "use_4bit": False, "max_image_size": 112, "max_new_tokens": 12,
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_folder_of_annotations_trains(form: str, stack: Stack, tmp_path: Path):
    """As it is, in a ZIP; and what `tally import` makes of it is the same data."""
    files = FORMS[form](SHEETS)
    for name, data in files.items():
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_bytes(data)
    (tmp_path / "as_it_is.zip").write_bytes(pack(files))
    command = [
        sys.executable,
        "-m",
        "tally.cli",
        "import",
        tmp_path / "data",
        "-o",
        "documented.zip",
    ]
    subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=True)
    file_id, imported = (
        stack.upload(tmp_path / name) for name in ("as_it_is.zip", "documented.zip")
    )
    asked, documented = (
        [
            (row["question"], row["answer"], row["true_count"])
            for row in stack.get(f"/files/{one}/rows")["rows"]
        ]
        for one in (file_id, imported)
    )
    assert asked == documented
    body = {"job_name": form, "data_file_id": file_id, "training_config": TRAINING}
    found = requests.post(f"{stack.url}/train?dry_run=true", json=body, timeout=300).json()
    assert found["ok"], found["findings"]
    assert (found["data"]["rows"], found["steps"]["total_steps"]) == (SHEETS, 1)
    job = stack.wait(stack.train(file_id, **TRAINING))
    assert (job["status"], job["current_step"]) == ("completed", 1), job
