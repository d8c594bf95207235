"""Base images and catalogue entries become KubeSpawner's profile list (pure)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Profile = dict[str, Any]

CUSTOMISE_GID = 2600
"""The group whose members the image's sudoers lets become root; only a customise session has it."""

SIZE_KEYS = ("cpu_limit", "cpu_guarantee", "mem_limit", "mem_guarantee")
GPU_KINDS = ("limits", "guarantees")
UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
"""As JupyterHub reads sizes."""

HOME_VOLUME = "00-home"
"""The key of the home among the volumes; KubeSpawner sorts by key."""


@dataclass(frozen=True)
class Home:
    """The volume that keeps a person's files between use sessions."""

    claim: str
    mount_path: str


def literal(text: str) -> str:
    """Return what stands for a person's text in a pod's environment.

    KubeSpawner formats the values of an environment, so `{userid:>2000000000}` would take the
    hub's memory; Kubernetes puts the value of another variable in the place of `$(NAME)`.
    """
    return text.replace("{", "{{").replace("}", "}}").replace("$", "$$")


def base_profiles(images: Iterable[Mapping[str, Any]]) -> list[Profile]:
    """Make a profile of each base image of the configuration.

    Each image is a mapping with `slug`, `title`, `image` and, optionally, `description`
    and `size` (bytes).
    """
    return [
        {
            "slug": image["slug"],
            "display_name": image["title"],
            "description": image.get("description", ""),
            "kubespawner_override": {
                "image": image["image"],
                "environment": {
                    "DESKTOPS_IMAGE": "",
                    "DESKTOPS_IMAGE_TITLE": literal(image["title"]),
                },
            },
            "desktop": {
                "kind": "base",
                "owner": "",
                "size": image.get("size"),
                "created": None,
                "icon": "desktop",
                "tags": [],
                "limits": {},
            },
        }
        for image in images
    ]


def catalogue_profiles(
    entries: Iterable[Mapping[str, Any]], user: str
) -> list[Profile]:
    """Make a profile of each entry that the catalogue lets this user start."""
    return [
        {
            "slug": _slug(entry),
            "display_name": entry["title"],
            "description": entry["description"],
            "kubespawner_override": {
                "image": entry["reference"],
                "environment": {
                    "DESKTOPS_IMAGE": literal(
                        f"{entry['owner']}/{entry['name']}@{entry['version']}"
                    ),
                    "DESKTOPS_IMAGE_TITLE": literal(entry["title"]),
                },
            },
            "desktop": {
                "kind": "mine" if entry["owner"] == user else entry["visibility"],
                "owner": entry["owner"],
                "version": entry["version"],
                "size": entry["size"],
                "created": entry["created"],
                # An older hub_service does not know of these.
                "icon": entry.get("icon", "desktop"),
                "tags": entry.get("tags", []),
                "limits": entry.get("limits", {}),
                "picture": entry.get("picture", ""),
                "staged": entry.get("staged", False),
            },
        }
        for entry in entries
    ]


def limited(
    profile: Profile,
    sizes: Iterable[Mapping[str, Any]],
    *,
    gpu_resource: str,
    configured: Mapping[str, Any],
) -> Profile:
    """Return a profile with the sizes to choose from, inside what an administrator allows.

    - a limit of the image takes the place of every size's own, and a guarantee never exceeds it
    - where CPU and memory are limited, there is nothing left to choose
    - every profile sets every figure, those in `configured` where nothing else does, so nothing
      of an earlier choice stays on a spawner used again
    """
    limits = profile["desktop"]["limits"]
    gpus = str(limits["gpu"]) if limits.get("gpu") else configured.get("gpu")
    fixed = {
        **{key: configured.get(key) for key in SIZE_KEYS},
        **{f"extra_resource_{kind}": {gpu_resource: gpus} for kind in GPU_KINDS},
    }
    options = dict(profile.get("profile_options", {}))
    allowed = [_inside({**size}, limits) for size in sizes]
    if allowed and not (limits.get("cpu") and limits.get("memory")):
        options["size"] = size_option(allowed)
    else:
        first = allowed[0] if allowed else {}
        figures = {key: first[key] for key in SIZE_KEYS if key in first}
        fixed = _inside({**fixed, **figures}, limits)
    override = {**profile["kubespawner_override"], **fixed}
    return {**profile, "kubespawner_override": override, "profile_options": options}


def _inside(found: dict[str, Any], limits: Mapping[str, Any]) -> dict[str, Any]:
    """Put an image's limits in the place of a size's own."""
    for kind, short, limit in (
        ("cpu", "cpu", limits.get("cpu")),
        ("memory", "mem", limits.get("memory")),
    ):
        if limit:
            found[f"{short}_limit"] = limit
            guarantee = found.get(f"{short}_guarantee")
            if guarantee is not None and amount(guarantee) > limit:
                found[f"{short}_guarantee"] = limit
    return found


def amount(value: str | float) -> float:
    """Return the number that a size's figure means: 2, "500M", "2G"."""
    text = str(value).strip()
    factor = UNITS.get(text[-1:].upper())
    return float(text[:-1]) * factor if factor else float(text)


def _slug(entry: Mapping[str, Any]) -> str:
    """Return what an entry is chosen by: its image, or one version of it that is being tried."""
    image = f"{entry['owner']}/{entry['name']}"
    return f"{image}@{entry['version']}" if entry.get("staged") else image


def session_option(home: Home) -> dict[str, Any]:
    """Return the choice between the two kinds of session.

    - *use*: the home is the person's volume; nobody in the pod can become root
    - *customise*: nothing covers the home, so that it is part of what is saved; sudo works
    - both set the same keys, so nothing of an earlier choice stays on a spawner used again
    """
    return {
        "display_name": "Session",
        "choices": {
            "use": {
                "display_name": "Use",
                "default": True,
                "kubespawner_override": _use(home),
            },
            "customise": {
                "display_name": "Customise",
                "kubespawner_override": _customise(),
            },
        },
    }


def _use(home: Home) -> dict[str, Any]:
    return {
        "storage_pvc_ensure": True,
        "volumes": {
            HOME_VOLUME: {
                "name": "home",
                "persistentVolumeClaim": {"claimName": home.claim},
            }
        },
        "volume_mounts": {HOME_VOLUME: {"name": "home", "mountPath": home.mount_path}},
        "supplemental_gids": [],
        "container_security_context": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "environment": {"DESKTOPS_SESSION": "use"},
    }


def _customise() -> dict[str, Any]:
    return {
        "storage_pvc_ensure": False,
        # None takes the home away and leaves the administrator's own volumes.
        "volumes": {HOME_VOLUME: None},
        "volume_mounts": {HOME_VOLUME: None},
        "supplemental_gids": [CUSTOMISE_GID],
        "container_security_context": {
            # sudo is setuid. What apt and dpkg never need is dropped all the same: raw
            # packets on the pod network and device nodes.
            "allowPrivilegeEscalation": True,
            "capabilities": {"drop": ["NET_RAW", "MKNOD"]},
        },
        "environment": {"DESKTOPS_SESSION": "customise"},
    }


def size_option(sizes: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the choice of CPU and memory; the first size is the default.

    Each size is a mapping with `slug`, `title`, `cpu_limit` (cores) and `mem_limit` ("2G").
    """
    return {
        "display_name": "Size",
        "choices": {
            size["slug"]: {
                "display_name": size["title"],
                "kubespawner_override": {
                    key: size[key] for key in SIZE_KEYS if key in size
                },
            }
            for size in sizes
        },
    }
