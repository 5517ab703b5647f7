"""Settings that only go together."""

import pytest

from learner_service.settings import LearnerSettings


def test_several_hosts_need_an_address_to_meet_at(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        LearnerSettings.read(["--nodes-per-job", "2"])
    assert "needs rendezvous.address: this host, as the others" in capsys.readouterr().err
    options = ["--nodes-per-job", "2", "--gpus-per-job", "4", "--rendezvous.address", "192.0.2.1"]
    assert LearnerSettings.read(options).processes_per_job == 8


def test_a_job_that_samples_inside_has_one_process(capsys: pytest.CaptureFixture[str]):
    inside = ["--rollout.target", "inside"]
    assert LearnerSettings.read(inside).samples_inside
    with pytest.raises(SystemExit):
        LearnerSettings.read([*inside, "--gpus-per-job", "2"])
    assert "rollout.target inside is for jobs of one process" in capsys.readouterr().err
