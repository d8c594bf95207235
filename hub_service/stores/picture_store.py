"""The repository of the pictures of versions that were tried."""

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from hub_service.models import Picture
from hub_service.stores.orm import PictureRow


class PictureStore:
    """Keeps a picture by the digest of what it shows: the same image looks the same."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def keep(self, digest: str, picture: Picture) -> None:
        """Keep a picture in place of an earlier one."""
        row = PictureRow(
            digest=digest, media_type=picture.media_type, data=picture.data
        )
        with Session(self._engine) as session, session.begin():
            session.merge(row)

    def get(self, digest: str) -> Picture | None:
        """Return the picture of what has this digest, or None."""
        with Session(self._engine) as session:
            row = session.get(PictureRow, digest)
            return Picture(row.media_type, row.data) if row else None
