"""What a choice on the spawn page makes of the pod."""

from typing import Any

import pytest

from desktop_spawner import DesktopSpawner
from desktop_spawner.errors import NotOffered
from tests.spawner.conftest import BASE, ENTRY, FakeCatalogue


async def pod_of(spawner: DesktopSpawner, **options: str) -> dict[str, Any]:
    spawner.user_options = options
    await spawner.load_user_options()
    manifest = await spawner.get_pod_manifest()
    pod: dict[str, Any] = spawner.api.api_client.sanitize_for_serialization(manifest)
    return pod


def env_of(pod: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in pod["spec"]["containers"][0]["env"]}


async def test_the_default_is_the_first_base_image_for_use(
    spawner: DesktopSpawner,
) -> None:
    pod = await pod_of(spawner)
    container = pod["spec"]["containers"][0]
    assert container["image"] == BASE["image"]
    assert env_of(pod)["DESKTOPS_SESSION"] == "use"
    assert env_of(pod)["DESKTOPS_IMAGE"] == ""
    assert container["resources"]["limits"]["cpu"] == 1


async def test_a_use_session_keeps_the_home_and_cannot_become_root(
    spawner: DesktopSpawner,
) -> None:
    pod = await pod_of(spawner, session="use")
    container = pod["spec"]["containers"][0]
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == [
        "/home/jovyan"
    ]
    claim = pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"]
    assert claim == "home-alice" and spawner.storage_pvc_ensure
    security = container["securityContext"]
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert not pod["spec"]["securityContext"].get("supplementalGroups")


async def test_a_customise_session_has_no_volume_and_may_use_sudo(
    spawner: DesktopSpawner,
) -> None:
    pod = await pod_of(spawner, profile="alice/gis", session="customise")
    container = pod["spec"]["containers"][0]
    assert container["image"] == ENTRY["reference"]
    assert not container["volumeMounts"] and not pod["spec"]["volumes"]
    assert not spawner.storage_pvc_ensure
    assert pod["spec"]["securityContext"]["supplementalGroups"] == [2600]
    assert container["securityContext"]["allowPrivilegeEscalation"] is True
    assert env_of(pod)["DESKTOPS_IMAGE"] == "alice/gis@3"
    assert env_of(pod)["DESKTOPS_IMAGE_TITLE"] == ENTRY["title"]


@pytest.mark.parametrize("title", ["Course {2026}", "{userid:>99}", "a } b", "{}"])
async def test_a_title_is_no_template_for_the_hub(
    spawner: DesktopSpawner, catalogue: FakeCatalogue, title: str
) -> None:
    catalogue.entries = [{**ENTRY, "title": title}]
    pod = await pod_of(spawner, profile="alice/gis")
    assert env_of(pod)["DESKTOPS_IMAGE_TITLE"] == title


async def test_a_title_is_no_template_for_kubernetes(
    spawner: DesktopSpawner, catalogue: FakeCatalogue
) -> None:
    catalogue.entries = [{**ENTRY, "title": "$(JUPYTERHUB_API_TOKEN)"}]
    pod = await pod_of(spawner, profile="alice/gis")
    # Two mean one, and no reference (Kubernetes' API, EnvVar.value).
    assert env_of(pod)["DESKTOPS_IMAGE_TITLE"] == "$$(JUPYTERHUB_API_TOKEN)"


async def test_nothing_of_an_earlier_choice_stays(spawner: DesktopSpawner) -> None:
    await pod_of(spawner, profile="alice/gis", session="customise", size="big")
    again = await pod_of(spawner, profile="base", session="use", size="small")
    fresh = env_of(again)
    assert fresh["DESKTOPS_IMAGE"] == "" and fresh["DESKTOPS_SESSION"] == "use"
    security = again["spec"]["containers"][0]["securityContext"]
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert not again["spec"]["securityContext"].get("supplementalGroups")
    assert again["spec"]["containers"][0]["resources"]["limits"]["cpu"] == 1


@pytest.mark.parametrize("session", ["use", "customise"])
async def test_no_pod_is_root_or_holds_a_kubernetes_token(
    spawner: DesktopSpawner, session: str
) -> None:
    pod = await pod_of(spawner, session=session)
    security = pod["spec"]["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert pod["spec"]["containers"][0]["securityContext"]["runAsUser"] == 1000


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"profile": "bob/secret"}, "not shared with you"),
        ({"profile": "base", "session": "root"}, "Choose one of: use, customise"),
        ({"profile": "base", "size": "huge"}, "Choose one of: small, big"),
    ],
)
async def test_what_is_not_offered_does_not_start(
    spawner: DesktopSpawner, options: dict[str, str], words: str
) -> None:
    with pytest.raises(NotOffered, match=words):
        await pod_of(spawner, **options)


async def test_the_catalogue_is_asked_for_this_user_with_the_services_token(
    spawner: DesktopSpawner, catalogue: FakeCatalogue
) -> None:
    await spawner.desktop_profiles()
    assert catalogue.asked == [("alice", "Bearer spawner-token")]


async def test_the_last_answer_is_kept_while_the_catalogue_is_down(
    spawner: DesktopSpawner, catalogue: FakeCatalogue
) -> None:
    await spawner.desktop_profiles()
    catalogue.down = True
    slugs = [profile["slug"] for profile in await spawner.desktop_profiles()]
    assert slugs == ["base", "alice/gis"]
    answer = await spawner.catalogue.profiles("alice")
    assert not answer.fresh and answer.asked > 0
    assert (await spawner.catalogue.profiles("bob")).entries == []


async def test_a_version_to_try_is_asked_for_and_remembered_by_nobody(
    spawner: DesktopSpawner, catalogue: FakeCatalogue
) -> None:
    reference = "localhost:30500/desktops/alice/gis@sha256:" + "b" * 64
    entry = {**ENTRY, "version": 4, "reference": reference, "staged": True}
    catalogue.staged["alice/gis@4"] = entry
    pod = await pod_of(spawner, profile="alice/gis@4", session="use")
    assert pod["spec"]["containers"][0]["image"] == reference
    with pytest.raises(NotOffered, match="not shared with you"):
        await pod_of(spawner, profile="alice/gis@5")
    spawner.user_options = {}
    slugs = [profile["slug"] for profile in await spawner.desktop_profiles()]
    assert slugs == ["base", "alice/gis"]
    spawner.user_options = {"profile": "alice/gis@4"}
    catalogue.down = True
    slugs = [profile["slug"] for profile in await spawner.desktop_profiles()]
    assert slugs == ["base", "alice/gis"]


async def test_a_link_chooses_what_the_form_would(spawner: DesktopSpawner) -> None:
    query = {"profile": ["alice/gis"], "session": ["use"], "other": ["x"]}
    assert spawner.options_from_query(query) == {
        "profile": "alice/gis",
        "session": "use",
    }


@pytest.mark.parametrize("session", ["use", "customise"])
async def test_an_administrators_own_volumes_stay(
    spawner: DesktopSpawner, session: str
) -> None:
    spawner.volumes = [{"name": "ca", "configMap": {"name": "ca"}}]
    spawner.volume_mounts = [{"name": "ca", "mountPath": "/etc/ca"}]
    pod = await pod_of(spawner, session=session)
    mounts = [
        mount["mountPath"] for mount in pod["spec"]["containers"][0]["volumeMounts"]
    ]
    assert mounts == (["/home/jovyan", "/etc/ca"] if session == "use" else ["/etc/ca"])
