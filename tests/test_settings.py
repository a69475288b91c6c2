from __future__ import annotations

from pathlib import Path

import pytest

from modelctl.errors import UsageError
from modelctl.manifest import bundled_folder
from modelctl.settings import read_settings


def config(folder: Path, text: str) -> dict[str, str]:
    path = folder / "modelctl" / "config.yaml"
    path.parent.mkdir()
    path.write_text(text)
    return {"XDG_CONFIG_HOME": str(folder)}


def test_defaults_follow_the_xdg_folders() -> None:
    settings = read_settings({"XDG_DATA_HOME": "/data", "XDG_CONFIG_HOME": "/nowhere"})

    assert settings.root == Path("/data/modelctl/models")
    assert settings.manifests == (bundled_folder(),)
    assert (settings.budget, settings.keep_free) == (None, 0)


def test_the_environment_wins_over_the_config_file_and_a_flag_over_both(tmp_path: Path) -> None:
    environ = config(tmp_path, "root: /from/config\nbudget: 5GB\nkeep_free: 100MiB\n")

    assert read_settings(environ).root == Path("/from/config")
    assert read_settings({**environ, "MODELCTL_ROOT": "/from/env"}).root == Path("/from/env")
    assert read_settings({**environ, "MODELCTL_ROOT": "/from/env"}, root="/from/flag").root == Path("/from/flag")
    assert read_settings(environ).keep_free == 100 << 20
    assert read_settings({**environ, "MODELCTL_BUDGET": "7GB"}).budget == 7 * 10**9


def test_folders_of_manifests_add_up(tmp_path: Path) -> None:
    environ = {**config(tmp_path, "manifests: [/one]\n"), "MODELCTL_MANIFESTS": "/two:/three"}

    settings = read_settings(environ, manifests=["/four"])

    assert [str(folder) for folder in settings.manifests[1:]] == ["/one", "/two", "/three", "/four"]


def test_an_unknown_key_of_the_config_file_is_named_with_its_line(tmp_path: Path) -> None:
    environ = config(tmp_path, "root: /x\nbudgets: 5GB\n")

    with pytest.raises(UsageError, match=r"config.yaml:2: unknown key 'budgets'; did you mean 'budget'\?"):
        read_settings(environ)


def test_a_config_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such config file"):
        read_settings({"MODELCTL_CONFIG": str(tmp_path / "gone.yaml")})


def test_a_config_file_must_hold_keys(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds keys and values"):
        read_settings(config(tmp_path, "- a\n- b\n"))


@pytest.mark.parametrize(
    "line", ["root: 5", "root: [a]", "manifests: 5", "manifests: [5]", "manifests: {a: b}", "budget: [1]"]
)
def test_a_setting_of_the_wrong_kind_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    key = line.partition(":")[0]

    with pytest.raises(UsageError, match=rf"config.yaml:1: {key}: .* was expected"):
        read_settings(config(tmp_path, line + "\n"))


def test_a_folder_of_manifests_that_is_named_twice_is_read_once() -> None:
    twice = read_settings({"MODELCTL_MANIFESTS": str(bundled_folder())})

    assert twice.manifests == (bundled_folder(),)


def test_a_config_file_of_comments_sets_nothing(tmp_path: Path) -> None:
    assert read_settings(config(tmp_path, "# budget: 5GB\n")).budget is None
