"""The list of images in the form of Kubeflow's spawner: changed line by line (pure).

The form is YAML inside a ConfigMap, edited by people: what is no entry of ours keeps every byte,
comments included. Layout: kubeflow/components/crud-web-apps/jupyter, spawner_ui_config.yaml.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import yaml

from hub_service.errors import Conflict, sentence

PATH = ("spawnerFormDefaults", "image", "options")

Ours = Callable[[str], bool]
"""Whether an entry is one that this program may take away."""


def with_images(text: str, ours: Ours, wanted: Sequence[str]) -> str:
    """Return the form with exactly the wanted ones of our entries; all wanted are ours.

    - a list that is right already stays as it is written
    - Conflict when the form has no such list, or is written so that changing these lines would
      change something else: nothing is guessed
    """
    try:
        before = yaml.safe_load(text)
        changed = _changed(text, ours, wanted)
        after = yaml.safe_load(changed)
        same = _others(before, ours) == _others(after, ours)
    except (yaml.YAMLError, RecursionError, KeyError, TypeError) as error:
        raise _no_list(str(error)[:500]) from error
    if not same:
        raise _no_list("the list is not written as lines of its own")
    return changed


def _others(form: Any, ours: Ours) -> Any:
    """Return a form with its list emptied of our entries: what must be the same afterwards."""
    form = copy.deepcopy(form)
    image = form[PATH[0]][PATH[1]]
    image[PATH[2]] = [one for one in image[PATH[2]] or () if not ours(str(one))]
    return form


def _changed(text: str, ours: Ours, wanted: Sequence[str]) -> str:
    key, node = _options(text)
    lines = text.splitlines(keepends=True)
    entries = {one.start_mark.line: one.value for one in node.value}
    block = isinstance(node, yaml.SequenceNode) and not node.flow_style
    kept = [value for value in entries.values() if not ours(value)]
    there = [value for value in entries.values() if value in wanted]
    if sorted(there) == sorted(wanted) and len(kept) + len(there) == len(node.value):
        return text
    new = [one for one in wanted if one not in there]
    if block and kept + there:
        return _edited(lines, node, ours, wanted, new)
    return _replaced(lines, key, node, [*kept, *wanted])


def _options(text: str) -> tuple[Any, Any]:
    """Return the nodes of the list's key and of the list."""
    try:
        node: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise _no_list(str(error)) from error
    key = None
    for name in PATH:
        pairs = node.value if isinstance(node, yaml.MappingNode) else ()
        key, node = next(
            ((one, value) for one, value in pairs if one.value == name), (None, None)
        )
    empty = isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null")
    if not empty and not isinstance(node, yaml.SequenceNode):
        raise _no_list(f"{'.'.join(PATH)} is not there, or is no list")
    if empty:
        node.value = []
    elif not all(isinstance(one, yaml.ScalarNode) for one in node.value):
        raise _no_list(f"{'.'.join(PATH)} holds more than names")
    return key, node


def _edited(
    lines: list[str], node: Any, ours: Ours, wanted: Sequence[str], new: Sequence[str]
) -> str:
    """Take lines away and add some; all others stay as they are."""
    gone = {
        one.start_mark.line
        for one in node.value
        if ours(one.value) and one.value not in wanted
    }
    last = node.value[-1].end_mark.line
    indent = " " * node.start_mark.column
    if not lines[last].endswith("\n"):
        lines[last] += "\n"
    lines[last + 1 : last + 1] = [f"{indent}- {one}\n" for one in new]
    return "".join(line for number, line in enumerate(lines) if number not in gone)


def _replaced(lines: list[str], key: Any, node: Any, images: Sequence[str]) -> str:
    """Write the whole list anew: there was none, an empty one, or one that becomes empty."""
    indent = " " * key.start_mark.column
    start, end = key.start_mark.line, max(key.end_mark.line, _last_line(node))
    rest = "".join(f"{indent}- {one}\n" for one in images)
    head = f"{indent}{key.value}:" + ("\n" + rest if images else " []\n")
    return "".join([*lines[:start], head, *lines[end + 1 :]])


def _last_line(node: Any) -> int:
    if node.value:
        return int(node.value[-1].end_mark.line)
    return int(node.end_mark.line) if isinstance(node, yaml.SequenceNode) else 0


def _no_list(why: str) -> Conflict:
    return Conflict(
        "kubeflow_form",
        sentence(
            "Kubeflow's form has no list of images where it should be. Nothing was changed "
            "there."
        ),
        details={"why": why},
    )
