"""What a person reads when the hub does not start what they chose."""

from tornado.web import HTTPError


class NotOffered(HTTPError):
    """What was chosen is not offered to this user.

    JupyterHub shows the words of such an error alone; of others it says "Unhandled error".
    """

    def __init__(self, message: str) -> None:
        super().__init__(403, message)
        self.jupyterhub_message = message
