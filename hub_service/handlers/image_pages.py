"""The page of an image: its versions, how it looks, and who may start it."""

from typing import Any

from tornado.web import HTTPError

from hub_service.errors import BadRequest, sentence
from hub_service.handlers.base import READ, WRITE, needs_scope
from hub_service.handlers.pages import PageHandler
from hub_service.models import PRIVATE, PUBLISHED, SHARED, TRIALS, Image, Version
from hub_service.pages.views import public_error_view
from hub_service.rules.naming import ICONS, image_path
from hub_service.rules.policy import may_try


class ImagePage(PageHandler):
    """One image with its versions."""

    @needs_scope(READ)
    async def get(self, owner: str, name: str) -> None:
        """Show an image."""
        images = self.services.images
        image = images.seen(self.person, owner, name)
        may_change = self.person.name == owner or self.person.admin
        request = self.services.publishing.of_image(owner, name) if may_change else None
        problem = self.services.kubeflow.problem
        self.show(
            "image.html",
            image=self.views.image(image),
            versions=[self._version(image, one) for one in image.versions],
            test=self._test(image),
            names=self.names_of(*image.versions),
            active=image.active,
            total=image.bytes,
            freed=(images.freed_by(image, *image.versions) if may_change else 0),
            may_change=may_change,
            may_publish=self.person.admin,
            request=request.to_dict() if request else None,
            visibilities=(PRIVATE, SHARED, PUBLISHED),
            icons=ICONS,
            done=self.get_query_argument("done", ""),
            kubeflow=self.services.kubeflow.enabled,
            kubeflow_problem=problem and public_error_view(problem, self._),
        )

    def _version(self, image: Image, version: Version) -> dict[str, Any]:
        """Return a version with its picture, and the link to try it for its owner."""
        mine = may_try(self.person, image)
        link = self.views.attempt(image.owner, image.name, version.number)
        picture = self.views.picture(image, version)
        return {**version.to_dict(), "picture": picture, "try": link if mine else ""}

    def _test(self, image: Image) -> dict[str, Any] | None:
        """Return the start-test that is under way, to who may see the job."""
        if image.owner != self.person.name and not self.person.admin:
            return None
        for job in self.services.jobs.unfinished():
            found = (job.owner, job.image) == (image.owner, image.name)
            if job.kind in TRIALS and found:
                return self.views.job(job, self._)
        return None

    @needs_scope(WRITE)
    async def post(self, owner: str, name: str) -> None:
        """Carry out the act of one of the page's forms."""
        act = self.get_body_argument("act")
        images, person = self.services.images, self.person
        done = "saved"
        if act == "delete":
            freed = images.delete(person, owner, name)
            self.redirect(f"{self.services.prefix}?deleted={freed}")
            return
        if act == "delete-version":
            number = self.form_number("number")
            images.delete_version(person, owner, name, number)
            done = "deleted"
        elif act == "ask":
            note = self.get_body_argument("note", "")
            self.services.publishing.ask(person, owner, name, None, note)
            done = "asked"
        else:
            image = images.seen(person, owner, name)
            images.change(person, owner, name, self._changes(act, image))
            self.services.published_changed()
        page = f"{self.services.prefix}{image_path(owner, name)}"
        self.redirect(f"{page}?done={done}")

    def _changes(self, act: str, image: Image) -> dict[str, Any]:
        if act == "activate":
            return {"active_version": self.form_number("number")}
        if act == "describe":
            return {
                "title": self.get_body_argument("title"),
                "description": self.get_body_argument("description", ""),
                "icon": self.get_body_argument("icon", ICONS[0]),
                "tags": self.get_body_argument("tags", "").split(","),
            }
        if act == "limit":
            return {"limits": self._limits()}
        if act == "kubeflow":
            return {"kubeflow": bool(self.get_body_argument("kubeflow", ""))}
        if act == "share":
            return self._sharing(image)
        raise HTTPError(404)

    def _sharing(self, image: Image) -> dict[str, Any]:
        """Return who may start it; whoever names somebody new means to share it with them."""
        names = {kind: self.form_texts(kind) for kind in ("users", "groups")}
        new = set(names["users"]) - image.shared_users
        new |= set(names["groups"]) - image.shared_groups
        # A browser does not send a choice that is shown, but not the person's to change.
        visibility = self.get_body_argument("visibility", "")
        if visibility == PRIVATE and new:
            visibility = SHARED
        chosen = {"visibility": visibility} if visibility else {}
        return {"shared_with": names, **chosen}

    def _limits(self) -> dict[str, Any]:
        """Return what the form of limits says, checked as the API checks it."""
        units = {"cpu": 1, "memory": 10**9, "gpu": 1}
        limits: dict[str, Any] = {}
        for name, unit in units.items():
            text = self.get_body_argument(name, "").strip().replace(",", ".")
            if not text:
                continue
            try:
                # What is not finite cannot be rounded.
                value = round(float(text) * unit, 3)
                limits[name] = (
                    value if name == "cpu" and round(value) >= 0 else round(value)
                )
            except (ValueError, OverflowError):
                raise BadRequest(
                    "invalid_request",
                    sentence("{value} is no number."),
                    value=text[:40],
                ) from None
        self.services.contract.check("Limits", limits)
        return limits


default_handlers = [(r"images/([^/]+)/([^/]+)", ImagePage)]
