"""The small hub's configuration."""

import json
from pathlib import Path

import pytest
from traitlets.config import Config

from desktop_spawner.hub_config import ACCESS, configure, configure_from_files

TOKENS = {
    "DESKTOPS_SERVICE_TOKEN": "one",
    "DESKTOPS_SPAWNER_TOKEN": "two",
    "CONFIGPROXY_AUTH_TOKEN": "three",
}


def configured(**values: object) -> Config:
    config = Config()
    configure(config, values, cull_hours=0, environ=TOKENS)
    return config


def test_a_desktops_token_can_save_and_little_else() -> None:
    [server] = [
        role for role in configured().JupyterHub.load_roles if role["name"] == "server"
    ]
    assert server["scopes"] == [
        "users:activity!user",
        "access:servers!server",
        ACCESS,
        "custom:desktops:read",
        "custom:desktops:save!server",
    ]


def test_a_saved_desktop_starts_beside_the_one_that_runs() -> None:
    assert configured().JupyterHub.allow_named_servers is True


def test_the_values_have_the_last_word() -> None:
    config = configured(JupyterHub={"services": []}, DesktopSpawner={"idle_hours": 2})
    assert config.JupyterHub.services == []
    assert config.DesktopSpawner.idle_hours == 2
    assert config.JupyterHub.load_roles


def test_a_missing_token_stops_the_hub() -> None:
    with pytest.raises(KeyError):
        configure(Config(), {}, cull_hours=0, environ={})


def test_idle_desktops_are_stopped_after_the_hours_that_people_are_told(
    tmp_path: Path,
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"JupyterHub": {"ip": "0.0.0.0"}}))
    (tmp_path / "cull.json").write_text('{"hours": 1.5}')
    config = Config()
    configure_from_files(config, tmp_path, TOKENS)
    [culler] = [
        one for one in config.JupyterHub.services if one["name"] == "idle-culler"
    ]
    assert "--timeout=5400" in culler["command"]


def test_a_robot_publishes_and_sees_nothing() -> None:
    def role_of(config: Config) -> list[dict[str, object]]:
        roles = config.JupyterHub.load_roles
        return [role for role in roles if role["name"] == "desktops-robot"]

    assert role_of(configured()) == []
    config = Config()
    environ = {**TOKENS, "DESKTOPS_ROBOT_TOKEN": "four"}
    configure(config, {}, cull_hours=0, environ=environ)
    [role] = role_of(config)
    assert role["scopes"] == [ACCESS, "custom:desktops:publish"]
    assert {"name": "desktops-robot", "api_token": "four"} in config.JupyterHub.services
    assert "custom:desktops:publish" in config.JupyterHub.custom_scopes
