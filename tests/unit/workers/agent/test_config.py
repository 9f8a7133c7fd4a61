"""A wrong setting of a worker is one sentence that names the variable."""

from pathlib import Path

import pytest

from workers.agent.config import ConfigError, WorkerSettings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SHOWDOWN_BROKER_URL", "amqp://x"),
        ("SHOWDOWN_BROKER_URL", "x:6379"),
        ("SHOWDOWN_COORDINATOR_URL", "x:8400"),
        ("SHOWDOWN_INFLUX_URL", "x:8086"),
        ("SHOWDOWN_HOST", "x_y"),
        ("SHOWDOWN_TEST_WHEN_IDLE", "perhaps"),
    ],
)
def test_a_wrong_value_names_its_variable(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name}"):
        WorkerSettings.from_environment({"SHOWDOWN_HOST": "h1", "SHOWDOWN_STATE_DIR": str(tmp_path), name: value})
