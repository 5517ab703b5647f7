"""How OpenMP's threads wait for each other, which it looks up once: as it is loaded."""

from collections.abc import Mapping

_POLICY = "OMP_WAIT_POLICY"
# Between two products of a pass a thread stays awake, since to wake it takes longer than many a
# product; where it waits for another process it is asleep within about a millisecond. GNU's alone
# knows the second.
PATIENT: Mapping[str, str] = {_POLICY: "PASSIVE", "GOMP_SPINCOUNT": "20000"}


def patient_unless_said(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables of a service beside others on the same cores; none where the operator says how
    threads wait. Those that spin take the cores from whoever has work."""
    return {} if _POLICY in environment else dict(PATIENT)
