"""Which values are looked for, and that they are found wherever a piece ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshot_agent.tree.canary import Scanner, canaries

TOKEN = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"


@pytest.mark.parametrize(
    ("variable", "secret"),
    [
        (f"JUPYTERHUB_API_TOKEN={TOKEN}", True),
        (f"SOMETHING={TOKEN}", True),
        ("DB_PASSWORD=correct horse battery staple", True),
        ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", True),
        ("API_TOKEN=short", False),
        ("JUPYTERHUB_API_URL=http://hub:8081/hub/api", False),
        ("HOME=/home/jovyan/somewhere", False),
        ("HOSTNAME=jupyter-alice-0123456789", False),
        ("KUBERNETES_PORT=tcp://10.96.0.1:443", False),
        ("TITLE=Cartographie de la forêt", False),
        ("CPU=00000000000000000000", False),
        ('SCOPES=["access:servers!server=alice/"]', False),
    ],
)
def test_what_is_looked_for(variable: str, secret: bool) -> None:
    value = variable.partition("=")[2].encode()
    assert canaries([variable], []) == ((value,) if secret else ())


def test_what_the_image_has_itself_is_no_secret() -> None:
    assert canaries([f"A={TOKEN}"], [f"A={TOKEN}"]) == ()


def test_each_value_once() -> None:
    assert canaries([f"A_TOKEN={TOKEN}", f"B={TOKEN}", f"C_TOKEN=x{TOKEN}"], []) == (
        TOKEN.encode(),
    )


@given(st.binary(max_size=80), st.lists(st.integers(0, 120), max_size=8), st.booleans())
def test_found_across_pieces(noise: bytes, cuts: list[int], present: bool) -> None:
    data = noise + (TOKEN.encode() if present else b"") + noise
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    scanner = Scanner((TOKEN.encode(),))
    hits = [scanner.hit(data[a:b]) for a, b in zip(edges, edges[1:], strict=False)]
    assert any(hits) == (TOKEN.encode() in data)


def test_nothing_to_look_for() -> None:
    assert not Scanner(()).hit(TOKEN.encode())
