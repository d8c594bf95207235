"""What an administrator can set of the agent, whichever half of it heeds it."""

from __future__ import annotations

import os
from typing import Any

from traitlets import Bool, Float, Int, List, TraitError, Unicode, validate
from traitlets.config import Application, catch_config_error

from snapshot_agent.exclusions import changed
from snapshot_agent.room import quantity


class SnapshotAgent(Application):
    """One agent a node: saves running desktops as images."""

    name = "snapshot-agent"
    description = "Saves the running desktops of this node as images."
    raise_config_file_errors = True
    aliases = {"config": "SnapshotAgent.config_file"}

    config_file = Unicode(
        "", help="The configuration file to load, Python or JSON."
    ).tag(config=True)
    address = Unicode(
        "0.0.0.0", help="The address to listen on; default: all of the pod."
    ).tag(config=True)
    port = Int(8090, help="The port to listen on.").tag(config=True)
    node_name = Unicode(
        help="The name of this node; default: the variable NODE_NAME, from the pod's spec.nodeName."
    ).tag(config=True)
    namespaces = List(
        Unicode(),
        ["desktops"],
        help="The namespaces whose session pods may be saved; pods elsewhere do not exist.",
    ).tag(config=True)
    session_selector = Unicode(
        "component=singleuser-server",
        help="The labels by which a pod is known to be a session; KubeSpawner's by default.",
    ).tag(config=True)
    owner_annotation = Unicode(
        "hub.jupyter.org/username",
        help=(
            "The annotation of a session's pod that says whose it is. Empty = its namespace says "
            "so, as with Kubeflow's Notebooks, whose annotations their users may write."
        ),
    ).tag(config=True)
    audience = Unicode(
        "desktops-snapshot-agent",
        help="The audience that the callers' tokens must have been made for.",
    ).tag(config=True)
    allowed_service_accounts = List(
        Unicode(),
        ["desktops:hub-service"],
        help="The service accounts that may ask, each as namespace:name.",
    ).tag(config=True)
    kubeconfig = Unicode(
        "",
        help="A kubeconfig file. Only set this if the agent runs outside of a pod.",
    ).tag(config=True)
    capture_socket = Unicode(
        "/run/desktops-snapshot-agent/capture.sock",
        help=(
            "The socket between the two halves of the agent: in a folder of their own, which "
            "the group of both may enter and nobody else."
        ),
    ).tag(config=True)
    containerd_socket = Unicode(
        "/run/containerd/containerd.sock",
        help="containerd's socket; k3s and RKE2 have it at /run/k3s/containerd/containerd.sock.",
    ).tag(config=True)
    containerd_namespace = Unicode(
        "k8s.io", help="The namespace in which the kubelet's containers are."
    ).tag(config=True)
    snapshotter_roots = List(
        Unicode(),
        ["/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs"],
        help=(
            "The folders that may hold containers' layers. Must be mounted in the agent's pod "
            "read-only at the same path as on the node; a layer elsewhere is refused."
        ),
    ).tag(config=True)
    registry_host = Unicode(
        "localhost:30500",
        help="The registry as it stands in references, which nodes pull from.",
    ).tag(config=True)
    registry_url = Unicode(
        "http://registry:5000",
        help="The same registry as programs in the cluster reach it.",
    ).tag(config=True)
    registry_prefix = Unicode(
        "desktops", help="What the repositories of saved images begin with."
    ).tag(config=True)
    registry_auth_file = Unicode(
        "",
        help=(
            "A Docker configuration (the .dockerconfigjson of a secret) with the credentials to "
            "push, by the registry's host or by that of its URL, and those to read base images."
        ),
    ).tag(config=True)
    registry_redirect_hosts = List(
        Unicode(),
        [],
        help=(
            "Globs of hosts that the registry may send uploads to besides itself. Only set this "
            "if it keeps its blobs elsewhere; its credentials are never sent there."
        ),
    ).tag(config=True)
    plain_http_hosts = List(
        Unicode(),
        ["localhost", "localhost:*", "127.0.0.1:*"],
        help="Globs of registries of base images that speak HTTP without TLS.",
    ).tag(config=True)
    registry_attempts = Int(
        5, help="How often a request to a registry is tried in all."
    ).tag(config=True)
    state_dir = Unicode(
        "/var/lib/desktops-snapshot-agent",
        help=(
            "A folder of the node (a hostPath) that tells the next agent what this one has "
            "frozen, should it be killed just then."
        ),
    ).tag(config=True)
    spool_dir = Unicode(
        "/var/spool/desktops-snapshot-agent",
        help="Where layers wait to be pushed; an emptyDir with a size limit is right.",
    ).tag(config=True)
    uploads_dir = Unicode(
        "/var/lib/desktops-uploads",
        help=(
            "Where the half that pushes notes which uploads are open in the registry, for the "
            "one after it should it be killed just then."
        ),
    ).tag(config=True)
    spool_limit = Unicode(
        "",
        help=(
            "The size limit of that emptyDir, such as 20Gi: a save that wants more ends, where the "
            "kubelet would end the agent. Default: only the disk's own end counts."
        ),
    ).tag(config=True)
    freeze = Bool(
        True,
        help=(
            "Hold the desktop still while the last changes are taken. Without it files that "
            "change just then may be saved half written, and are named in the result."
        ),
    ).tag(config=True)
    freeze_budget = Float(
        0.1,
        help=(
            "Seconds that a desktop may stand still. What there is no time for is taken right "
            "after that, and named in the result."
        ),
    ).tag(config=True)
    kept_saves = Int(
        16,
        help=(
            "Of how many desktops the last save is remembered, so that the next one takes only "
            "what has changed; 0 = none. What was replaced in between stays readable in the "
            "layers of the first save; when somebody has deleted something, all is read again."
        ),
    ).tag(config=True)
    join_saves = Bool(
        True,
        help=(
            "Make the saves on top of one another one, when there are more than eight or 30 % of "
            "their bytes are dead: what was saved once and deleted since is in no layer any more."
        ),
    ).tag(config=True)
    freeze_deadline = Float(
        10.0,
        help="Seconds after which a desktop is thawed whatever is still to be read.",
    ).tag(config=True)
    most_saves = Int(2, help="How many saves may be under way on this node.").tag(
        config=True
    )
    most_bytes = Int(
        100 << 30,
        help="How many bytes a desktop may have changed to be saved; 0 = as many as there are.",
    ).tag(config=True)
    most_entries = Int(
        2_000_000,
        help="How many files and folders it may have changed; 0 = as many as there are.",
    ).tag(config=True)
    nice = Int(
        10,
        help=(
            "By how much a save steps back behind what else wants a processor, 0 to 19; above 0 "
            "it also reads the disk only when nobody else does, where the kernel knows that."
        ),
    ).tag(config=True)
    layer_bytes = Int(
        256 << 20,
        help=(
            "Above so many bytes (not packed) what is saved goes as several layers, which are sent "
            "and fetched side by side; some four at most, whatever there is."
        ),
    ).tag(config=True)
    zstd_level = Int(
        3,
        help="How hard layers are compressed, 1 to 19; above 3 it is time that limits.",
    ).tag(config=True)
    zstd_threads = Int(
        1,
        help=(
            "Threads for the compression of one save besides those that read and hash; each "
            "takes some 30 MiB of memory. 0 compresses in the thread that writes."
        ),
    ).tag(config=True)
    largest_file = Int(
        64 << 30,
        help="Files above so many bytes are left out; a sparse file counts with its holes.",
    ).tag(config=True)
    leave_out = List(
        Unicode(),
        [],
        help=(
            "More paths that never go into an image, besides those that "
            "snapshot_agent/exclusions.py lists: /srv/keys, ~/.mytool/*.pem. ~ is every home, * "
            "matches within one name; with /* at the end the folder itself stays. They are "
            "reported as secrets."
        ),
    ).tag(config=True)
    keep = List(
        Unicode(),
        [],
        help=(
            "Patterns of that list that do go into images, written as they stand there: ~/.npmrc. "
            "Only set this if no such file in your desktops holds a password."
        ),
    ).tag(config=True)
    home_defaults = Unicode(
        "/home_nbuser_default",
        help=(
            "Where an image keeps what a new home begins with. What is saved of the home goes "
            "there too, since a volume hides the home itself. Images without it are left alone."
        ),
    ).tag(config=True)
    prepull_budget = Int(
        50 * 10**9,
        help=(
            "How many bytes (packed) of published images are fetched to this node before "
            "somebody starts them; 0 = none."
        ),
    ).tag(config=True)
    prepull_keep_free = Float(
        0.2,
        help="The share of the node's disk that fetching images beforehand leaves free.",
    ).tag(config=True)
    author = Unicode(
        "JupyterHub Desktops", help="The author that saved images name; never a person."
    ).tag(config=True)

    @catch_config_error
    def initialize(self, argv: list[str] | None = None) -> None:
        self.parse_command_line(argv)
        if self.config_file:
            # Relative to where the program was started, not to where it lies.
            self.load_config_file(os.path.abspath(self.config_file))
            # The command line wins over the file.
            self.parse_command_line(argv)

    @validate("zstd_level")
    def _valid_level(self, proposal: Any) -> int:
        level = int(proposal["value"])
        if not 1 <= level <= 19:
            raise TraitError("zstd_level must be from 1 to 19")
        return level

    @validate("nice")
    def _valid_nice(self, proposal: Any) -> int:
        nice = int(proposal["value"])
        if not 0 <= nice <= 19:
            raise TraitError("nice must be from 0 to 19")
        return nice

    @validate("most_bytes", "most_entries")
    def _valid_most(self, proposal: Any) -> int:
        most = int(proposal["value"])
        if most < 0:
            raise TraitError(f"{proposal['trait'].name} must not be below 0")
        return most

    @validate("leave_out", "keep")
    def _valid_patterns(self, proposal: Any) -> list[str]:
        patterns = list(proposal["value"])
        added = proposal["trait"].name == "leave_out"
        try:
            changed(patterns if added else (), () if added else patterns)
        except ValueError as error:
            raise TraitError(f"{proposal['trait'].name}: {error}") from error
        return patterns

    @validate("spool_limit")
    def _valid_limit(self, proposal: Any) -> str:
        try:
            quantity(proposal["value"])
        except ValueError as error:
            raise TraitError(f"spool_limit: {error}") from error
        return str(proposal["value"])

    @property
    def own_root(self) -> str:
        """What every reference of our registry begins with."""
        return f"{self.registry_host}/{self.registry_prefix}/"
