"""What an administrator can set of hub_service."""

import logging
import os

from traitlets import (
    Bunch,
    Dict,
    Enum,
    Float,
    Integer,
    List,
    TraitError,
    Unicode,
    default,
    validate,
)
from traitlets.config import Application

from hub_service.rules.scan_policy import BLOCKING, Waiver

JUPYTERHUB, KUBEFLOW = "jupyterhub", "kubeflow"
AUTHS = (JUPYTERHUB, KUBEFLOW)
SECRET_LENGTH = 32
"""Characters that the gateway's secret has at least: nobody guesses so many."""


class ServiceSettings(Application):
    """The traits of the program."""

    config_file = Unicode(
        "", config=True, help="The configuration file (.py or .json) to read."
    )
    address = Unicode("", config=True, help="The address to listen on; empty = all.")
    port = Integer(8080, config=True, help="The port to listen on.")
    database_url = Unicode(
        config=True,
        help="""
        The database, as SQLAlchemy writes it: an SQLite file, or
        `postgresql+psycopg://user:password@host/name` for PostgreSQL.

        Default: the variable DATABASE_URL, or an SQLite file here.
        """,
    )
    namespace = Unicode(
        "",
        config=True,
        help="The namespace of the desktops' pods. Default: this pod's own.",
    )
    container_name = Unicode(
        "notebook",
        config=True,
        help="The container of a pod that is the desktop. Only set this for other spawners.",
    )
    person_cache = Integer(
        30,
        # JupyterHub takes 0 for "for ever".
        min=1,
        config=True,
        help="""
        Seconds for which JupyterHub is not asked again who somebody is, and in which groups.
        So long may a person who was taken out of a group still see what is shared with it.
        """,
    )
    agent_port = Integer(8090, config=True, help="The port of the snapshot agents.")
    agent_token_file = Unicode(
        "/var/run/secrets/desktops/agent-token",
        config=True,
        help="The file of the projected ServiceAccount token for the agents.",
    )
    registry_url = Unicode(
        "http://registry:5000",
        config=True,
        help="The address of the registry as seen from the cluster's programs.",
    )
    registry_host = Unicode(
        "localhost:30500",
        config=True,
        help="The registry's name in image references, as the nodes know it.",
    )
    registry_prefix = Unicode(
        "desktops", config=True, help="The path below which saved images are kept."
    )
    registry_username = Unicode(
        "", config=True, help="Who may read and delete manifests."
    )
    registry_password = Unicode(
        config=True, help="Default: the variable REGISTRY_PASSWORD."
    )
    hub_prefix = Unicode(
        "/hub/", config=True, help="The path of the hub as people see it."
    )
    reconcile_interval = Float(
        0.5,
        config=True,
        help="Seconds between two looks at the unfinished jobs: how fresh progress is.",
    )

    build_template_file = Unicode(
        "",
        config=True,
        help="The Job and the volume claim of a build, as the chart makes them; empty = no builds.",
    )
    build_bases = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        config=True,
        help="What a Dockerfile may have behind FROM, and the image that each name means.",
    )
    build_titles = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        config=True,
        help="What people read instead of such a name; one without a title is read as it is.",
    )
    builds_running = Integer(
        2,
        config=True,
        help="How many builds run at once; each person's run one by one.",
    )
    builds_waiting_in_all = Integer(
        50, min=1, config=True, help="How many builds of all people may wait."
    )
    builds_waiting = Integer(
        5, config=True, help="How many builds of one person may wait."
    )

    registry_deployment = Unicode(
        "registry",
        config=True,
        help="The Deployment of the registry, which a clean-up makes read-only for a while.",
    )
    cleanup_template_file = Unicode(
        "",
        config=True,
        help="The Job that frees the registry's disk, as the chart makes it; empty = none here.",
    )
    cleanup_hour = Integer(
        3,
        min=-1,
        max=23,
        config=True,
        help="The hour (UTC) of the nightly freeing of the registry's disk; -1 = only when asked.",
    )

    prepull_interval = Float(
        60.0,
        config=True,
        help="""
        Seconds after which the agents are told again which images are published, to fetch them
        beforehand; 0 = nothing is fetched before somebody starts it.
        """,
    )
    auth = Enum(
        list(AUTHS),
        JUPYTERHUB,
        config=True,
        help="""
        Who says who asks, and where the desktops run: `jupyterhub`, or `kubeflow`, whose gateway
        names the person and whose Notebooks are the desktops.
        """,
    )
    kubeflow_notebook_namespaces = List(
        Unicode(),
        config=True,
        help="With auth=kubeflow: the namespaces whose Notebooks may be saved.",
    )
    kubeflow_user_header = Unicode(
        "kubeflow-userid",
        config=True,
        help="The header in which Kubeflow's gateway names the person.",
    )
    kubeflow_user_prefix = Unicode(
        "",
        config=True,
        help="What stands before the name in that header and is no part of it.",
    )
    kubeflow_gateway_secret = Unicode(
        config=True,
        help="""
        What the gateway sends along as X-Desktops-Gateway: at least 32 characters that nobody
        else knows. Default: the variable GATEWAY_SECRET.
        """,
    )
    kubeflow_admins = List(
        Unicode(),
        config=True,
        help="With auth=kubeflow: who administers the images, by the names in that header.",
    )
    kubeflow_robots = List(
        Unicode(),
        config=True,
        help="""
        With auth=kubeflow: the ServiceAccounts that publish what pipelines have pushed, each as
        `namespace:name`.
        """,
    )
    kubeflow_audience = Unicode(
        "desktops-hub-service",
        config=True,
        help="The audience of the tokens that the desktops of Notebooks show.",
    )
    kubeflow_namespace = Unicode(
        "",
        config=True,
        help="""
        The namespace of a Kubeflow on this cluster, into whose spawner administrators may
        publish images too; empty = none.
        """,
    )
    kubeflow_config_map = Unicode(
        "jupyter-web-app-config",
        config=True,
        help="The ConfigMap of Kubeflow's spawner.",
    )
    kubeflow_key = Unicode(
        "spawner_ui_config.yaml",
        config=True,
        help="The key in it that holds the form.",
    )

    @default("database_url")
    def _default_database_url(self) -> str:
        return os.environ.get("DATABASE_URL", "sqlite:///desktops.sqlite")

    start_test_template_file = Unicode(
        "",
        config=True,
        help="""
        The Job that tries a version, as the chart makes it.

        Empty: nothing is tried, and versions are published as they are.
        """,
    )
    start_tests_running = Integer(
        2, config=True, help="How many start-tests run at once."
    )

    scan_template_file = Unicode(
        "",
        config=True,
        help="""
        The Job that scans a version for known vulnerabilities, as the chart makes it.

        Empty: nothing is scanned.
        """,
    )
    scans_running = Integer(1, config=True, help="How many scans run at once.")
    scan_every_hours = Float(
        24.0,
        config=True,
        help="Hours after which what is published is scanned again.",
    )
    scan_block = Enum(
        list(BLOCKING),
        "",
        config=True,
        help="""
        The least severity that keeps a version from being published: critical, high, medium or
        low; empty = none does. A version whose last scan failed or is old is not published either.
        """,
    )
    scan_exceptions = List(
        Unicode(),
        config=True,
        help="""
        Vulnerabilities that may be published until a day, each with the reason:
        `CVE-2026-1234 until 2027-01-31, not reachable from a desktop`.
        """,
    )

    publish_registries = List(
        Unicode(),
        config=True,
        help="""
        Registries whose images a pipeline may publish (scope custom:desktops:publish): hosts, or
        hosts with a path, such as `ghcr.io/our-team`. Empty: none.
        """,
    )
    publish_owner = Unicode(
        "hub",
        config=True,
        help="""
        The owner of the images that pipelines publish. No person may have this name: whoever had
        it could change them.
        """,
    )
    plain_http_registries = List(
        Unicode(),
        config=True,
        help="Globs of the hosts of such registries that speak HTTP without TLS.",
    )

    @validate("scan_exceptions")
    def _check_exceptions(self, proposal: Bunch) -> list[str]:
        """Refuse at the start what would not be heeded later."""
        found: list[str] = proposal["value"]
        try:
            for one in found:
                Waiver.parse(one)
        except ValueError as error:
            raise TraitError(f"scan_exceptions: {error}") from error
        return found

    @validate("hub_prefix")
    def _check_hub_prefix(self, proposal: Bunch) -> str:
        found = str(proposal["value"])
        if not (found.startswith("/") and found.endswith("/")):
            raise TraitError(f"hub_prefix: {found!r} does not begin and end with /")
        return found

    @default("kubeflow_gateway_secret")
    def _default_gateway_secret(self) -> str:
        return os.environ.get("GATEWAY_SECRET", "")

    @default("registry_username")
    def _default_registry_username(self) -> str:
        return os.environ.get("REGISTRY_USERNAME", "")

    @default("registry_password")
    def _default_registry_password(self) -> str:
        return os.environ.get("REGISTRY_PASSWORD", "")

    @default("namespace")
    def _default_namespace(self) -> str:
        return os.environ.get("POD_NAMESPACE", "desktops")

    @default("log_level")
    def _default_log_level(self) -> int:
        return logging.INFO
