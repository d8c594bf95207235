"""Kubeflow's form: our entries come and go, everything else keeps every byte."""

import pytest
import yaml

from hub_service.errors import Conflict
from hub_service.publishing.kubeflow_form import with_images

PREFIX = "localhost:30500/desktops/"
GIS, R = (
    f"{PREFIX}alice/gis:v3@sha256:{'a' * 64}",
    f"{PREFIX}bob/r:v1@sha256:{'b' * 64}",
)
FORM = """\
# Configuration file for the Jupyter UI.
#
# Each Jupyter UI option is configured by two keys: 'value' and 'readOnly'
spawnerFormDefaults:
  image:
    # The container Image for the user's Jupyter Notebook
    value: ghcr.io/kubeflow/kubeflow/notebook-servers/jupyter-scipy:v1.10.0
    # The list of available standard container Images
    options:
    - ghcr.io/kubeflow/kubeflow/notebook-servers/jupyter-scipy:v1.10.0   # the usual one
    # Large:
    - ghcr.io/kubeflow/kubeflow/notebook-servers/jupyter-pytorch-full:v1.10.0

  # Whether or not a user may type an image
  allowCustomImage: true
  imageGroupOne:
    value: ghcr.io/kubeflow/kubeflow/notebook-servers/codeserver-python:v1.10.0
    options:
    - ghcr.io/kubeflow/kubeflow/notebook-servers/codeserver-python:v1.10.0
"""


def ours(entry: str) -> bool:
    """Return whether an entry is of our registry."""
    return entry.startswith(PREFIX)


def options(text: str) -> list[str]:
    """Return the list as Kubeflow reads it."""
    found = yaml.safe_load(text)["spawnerFormDefaults"]["image"]["options"]
    return list(found or [])


def test_ours_come_at_the_end_and_go_again() -> None:
    added = with_images(FORM, ours, [GIS, R])
    assert options(added) == [*options(FORM), GIS, R]
    assert with_images(added, ours, []) == FORM
    assert with_images(added, ours, [GIS, R]) == added


def test_every_other_line_stays() -> None:
    before = FORM.splitlines()
    added = with_images(FORM, ours, [GIS]).splitlines()
    assert [line for line in added if PREFIX not in line] == before


def test_a_new_version_takes_the_place_of_the_old_one() -> None:
    newer = GIS.replace(":v3@", ":v4@")
    text = with_images(with_images(FORM, ours, [GIS]), ours, [newer])
    assert options(text) == [*options(FORM), newer]


@pytest.mark.parametrize("empty", [" []", "", " # none yet", " [  ]"])
def test_an_empty_list(empty: str) -> None:
    form = (
        f"spawnerFormDefaults:\n  image:\n    options:{empty}\n  cpu:\n    value: '1'\n"
    )
    added = with_images(form, ours, [GIS])
    assert options(added) == [GIS]
    assert yaml.safe_load(added)["spawnerFormDefaults"]["cpu"] == {"value": "1"}
    gone = with_images(added, ours, [])
    assert options(gone) == [] and gone.endswith("  cpu:\n    value: '1'\n")


def test_a_list_in_brackets() -> None:
    form = "spawnerFormDefaults:\n  image:\n    options: [a:1,\n      b:2]\n    value: a:1\n"
    added = with_images(form, ours, [GIS])
    assert options(added) == ["a:1", "b:2", GIS]
    assert yaml.safe_load(added)["spawnerFormDefaults"]["image"]["value"] == "a:1"


def test_no_line_at_the_end() -> None:
    form = "spawnerFormDefaults:\n  image:\n    options:\n      - a:1"
    assert options(with_images(form, ours, [GIS])) == ["a:1", GIS]


@pytest.mark.parametrize(
    "form",
    [
        "",
        "{",
        "spawnerFormDefaults: {}",
        "spawnerFormDefaults:\n  image:\n    options: some\n",
        "spawnerFormDefaults:\n  image:\n    options:\n    - {a: 1}\n",
        "- a\n",
    ],
)
def test_what_is_no_such_form_is_left_alone(form: str) -> None:
    with pytest.raises(Conflict):
        with_images(form, ours, [GIS])


@pytest.mark.parametrize(
    "form",
    [
        '{"spawnerFormDefaults":{"image":{"options":["x/y"],"value":"q"}},"other":1}',
        "spawnerFormDefaults:\n  image: {options: [x/y], value: q}\n",
        "[" * 5000,
    ],
)
def test_a_form_written_another_way_is_left_alone(form: str) -> None:
    with pytest.raises(Conflict):
        with_images(form, ours, [GIS])


def test_a_list_that_is_right_stays_as_it_is_written() -> None:
    form = "spawnerFormDefaults: {image: {options: [x/y], value: q}}\n"
    assert with_images(form, ours, []) == form


def test_a_list_that_is_named_elsewhere_gets_one_of_its_own() -> None:
    form = "a: &list [x/y]\nspawnerFormDefaults:\n  image:\n    options: *list\n"
    added = with_images(form, ours, [GIS])
    assert options(added) == ["x/y", GIS]
    assert yaml.safe_load(added)["a"] == ["x/y"]
