"""Where the desktop is, and how long it may take."""

from collections.abc import Mapping
from dataclasses import dataclass

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Settings:
    """What the Job says of the desktop beside us; it has the same variables."""

    token: str
    """What the desktop's server is asked with: made for this one test."""
    prefix: str = "/user/start-test/"
    port: int = 8888
    hub_port: int = 8081
    seconds: float = 120.0

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Settings":
        """Read the variables of JupyterHub, and our own."""
        # Only set this where the ports are taken: outside a pod.
        ports = environment.get("START_TEST_PORTS", "8888 8081").split()
        return cls(
            token=environment["JUPYTERHUB_API_TOKEN"],
            prefix=environment["JUPYTERHUB_SERVICE_PREFIX"],
            port=int(ports[0]),
            hub_port=int(ports[1]),
            seconds=float(environment.get("START_TEST_SECONDS", "120")),
        )

    @property
    def page(self) -> str:
        """The desktop page."""
        return f"http://{HOST}:{self.port}{self.prefix}desktop/"

    @property
    def display(self) -> str:
        """The VNC server, as a websocket."""
        return f"ws://{HOST}:{self.port}{self.prefix}desktop-vnc/"
