"""DesktopSpawner: KubeSpawner with a catalogue of desktops and two kinds of session."""

from typing import Any

from kubespawner import KubeSpawner
from traitlets import Callable, Dict, Float, Instance, List, Unicode, default, validate

from desktop_i18n import language_of, translator
from desktop_spawner.catalogue_client import Answer, CatalogueClient
from desktop_spawner.errors import NotOffered
from desktop_spawner.form import render_form
from desktop_spawner.profiles import (
    SIZE_KEYS,
    Home,
    Profile,
    base_profiles,
    catalogue_profiles,
    limited,
    session_option,
)


class DesktopSpawner(KubeSpawner):  # type: ignore[misc]  # kubespawner has no annotations
    """Starts Remote Desktops: tested base images and what the catalogue offers this user.

    - the spawn page works when the catalogue does not answer, and says so
    - who may start what is asked again at every start; the form is not trusted
    - a pod never runs as root and never gets a token of the Kubernetes API
    """

    base_images = List(
        Dict(),
        config=True,
        help="""
        The tested images that everybody may start, each a dictionary with

        - `slug`: a short name without "/", kept for ever
        - `title` and `description`: what people read on the card
        - `image`: the image's reference
        - `size`: bytes, optional
        """,
    )
    sizes = List(
        Dict(),
        config=True,
        help="""
        The sizes to choose from, each a dictionary with `slug`, `title` and some of
        `cpu_limit`, `cpu_guarantee`, `mem_limit`, `mem_guarantee`. The first is the default.

        Empty: nobody chooses, KubeSpawner's own limits apply.
        """,
    )
    home_mount_path = Unicode(
        "/home/jovyan",
        config=True,
        help="Where a use session mounts the person's volume. Only set this for other images.",
    )
    session_api_url = Unicode(
        "",
        config=True,
        help="""
        The address of hub_service's API as seen from a desktop's pod.

        Empty: the desktops have no save button.
        """,
    )
    idle_hours = Float(
        0.0,
        config=True,
        help="""
        After how many idle hours the hub stops a desktop, told on the spawn page; 0 = never.

        This only tells people: set it to the time of your idle culler.
        """,
    )
    catalogue = Instance(
        CatalogueClient, help="Answers which images of the catalogue may start."
    )
    gpu_resource = Unicode(
        "nvidia.com/gpu",
        config=True,
        help="""
        The cluster's name of a graphics card, for images whose limits have one.

        Only set this for cards of another maker.
        """,
    )
    profile_list = Callable(
        help="Made of `base_images` and the catalogue; not to be configured."
    )

    @default("catalogue")
    def _default_catalogue(self) -> CatalogueClient:
        return CatalogueClient.instance(config=self.config, log=self.log)

    @default("profile_list")
    def _default_profile_list(self) -> Any:
        return DesktopSpawner.desktop_profiles

    @default("uid")
    def _default_uid(self) -> int:
        return 1000

    @default("gid")
    def _default_gid(self) -> int:
        return 100

    @default("fs_gid")
    def _default_fs_gid(self) -> int:
        return 100

    @default("pvc_name_template")
    def _default_pvc_name_template(self) -> str:
        # One home a person, whichever desktop they start: not one for each named server.
        return "home-{username}"

    @default("volumes")
    def _default_volumes(self) -> dict[str, Any]:
        return {}

    @default("volume_mounts")
    def _default_volume_mounts(self) -> dict[str, Any]:
        return {}

    @validate("volumes", "volume_mounts")
    def _named_volumes(self, proposal: Any) -> dict[str, Any]:
        """Give a list's entries names: KubeSpawner merges dictionaries, but replaces lists."""
        value = proposal["value"]
        if isinstance(value, list):
            return {f"{number:02}": one for number, one in enumerate(value, start=10)}
        return dict(value)

    @default("pod_security_context")
    def _default_pod_security_context(self) -> dict[str, Any]:
        return {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}

    @default("default_url")
    def _default_url(self) -> str:
        return "/desktop/"

    def get_env(self) -> dict[str, str]:
        """Return KubeSpawner's environment with what the save button needs to know."""
        env: dict[str, str] = super().get_env()
        env["DESKTOPS_API_URL"] = self.session_api_url
        env["DESKTOPS_PUBLIC_HUB_URL"] = self.hub.base_url
        return env

    async def start(self) -> Any:
        """Start the pod, and tell the catalogue which version starts."""
        url = await super().start()
        await self.report_start()
        return url

    async def report_start(self) -> None:
        """Tell the catalogue which version was started; a base image is none of its."""
        image = str(self.environment.get("DESKTOPS_IMAGE") or "")
        path, _, version = image.rpartition("@")
        if path:
            owner, _, name = path.rpartition("/")
            await self.catalogue.report_start(owner, name, int(version))

    async def desktop_profiles(self) -> list[Profile]:
        """Return what this user may start now: the base images, then the catalogue's."""
        return self._with_options(await self._ask_catalogue())

    async def _ask_catalogue(self) -> Answer:
        """Ask what may start; of a version that is being tried, too, when one was chosen."""
        slug = (self.user_options or {}).get("profile", "")
        return await self.catalogue.profiles(
            self.user.name, slug if "@" in slug.rpartition("/")[2] else ""
        )

    def _with_options(self, answer: Answer) -> list[Profile]:
        profiles = base_profiles(self.base_images)
        profiles += catalogue_profiles(answer.entries, self.user.name)
        options = {"session": session_option(Home(self.pvc_name, self.home_mount_path))}
        return [
            limited(
                {**profile, "profile_options": options},
                self.sizes,
                gpu_resource=self.gpu_resource,
                configured=self._configured(),
            )
            for profile in profiles
        ]

    def _configured(self) -> dict[str, Any]:
        """Return what the configuration gives to every desktop, whatever was started before."""
        found: dict[str, Any] = {}
        for kind in reversed(type(self).mro()):
            section = self.config.get(kind.__name__, {})
            found |= {key: section[key] for key in SIZE_KEYS if key in section}
            gpus = section.get("extra_resource_limits") or {}
            if self.gpu_resource in gpus:
                found["gpu"] = str(gpus[self.gpu_resource])
        return found

    @property
    def _language(self) -> str:
        """The language of whoever asks for the page or the start."""
        headers = self.handler.request.headers if self.handler else {}
        return language_of(headers.get("Accept-Language", ""))

    async def _render_options_form_dynamically(self, current_spawner: Any) -> str:
        answer = await self._ask_catalogue()
        return render_form(
            self._with_options(answer),
            answer=answer,
            chosen=self.user_options or {},
            language=self._language,
            idle_hours=self.idle_hours,
        )

    def _validate_user_options(self, profile_list: list[Profile]) -> None:
        """Refuse choices that are not offered to this user, in words for that user."""
        _ = translator("desktop_spawner", self._language)
        offered = {profile["slug"]: profile for profile in profile_list}
        slug = self.user_options.get("profile")
        if slug and slug not in offered:
            raise NotOffered(
                _(
                    "The desktop {name} cannot be started: it does not exist (any more) or is not "
                    "shared with you. Choose another one here.",
                    name=slug,
                )
            )
        options = offered[slug]["profile_options"] if slug else {}
        for name, option in options.items():
            choice = self.user_options.get(name)
            if choice and choice not in option["choices"]:
                raise NotOffered(
                    _(
                        "{choice} is nothing that this desktop can be started with. "
                        "Choose one of: {choices}.",
                        choice=choice,
                        choices=", ".join(option["choices"]),
                    )
                )

    def _options_from_form(self, formdata: dict[str, list[str]]) -> dict[str, str]:
        """Take the choices of the form, or of a link such as `?opt-profile=alice/gis`."""
        return {
            name: formdata[name][0]
            for name in ("profile", "session", "size")
            if formdata.get(name, [""])[0]
        }
