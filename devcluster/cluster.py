"""The life of the cluster: up, down, reset, status."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from devcluster import addons, control_plane, node
from devcluster.binaries import ensure_binaries
from devcluster.certificates import ensure_certificates
from devcluster.cgroup import Cgroup
from devcluster.command import run, succeeds
from devcluster.component import Component
from devcluster.errors import ComponentFailed, DevclusterError, ForeignCluster
from devcluster.image import Images, pause_image_name
from devcluster.iptables import ensure_rules
from devcluster.kubeconfig import write_kubeconfig
from devcluster.leftovers import sweep
from devcluster.network import Switches, ensure_link
from devcluster.owner import Owner, OwnerRecord
from devcluster.process import Process
from devcluster.settings import CHECKOUT, NODE_NAME, RUN_FOLDER, Settings

NODE_TIMEOUT = 90


class Cluster:
    """One cluster on this machine.

    Guarantees:

    - `up` and `down` may be repeated and interrupted: each starts from what it finds;
    - nothing of a cluster that another checkout runs is touched, unless told to take over;
    - a component that fails is named, with the end of its log.
    """

    def __init__(
        self,
        settings: Settings,
        say: Callable[[str], None],
        *,
        checkout: Path = CHECKOUT,
        record: OwnerRecord | None = None,
        cgroup: Cgroup | None = None,
    ) -> None:
        self.settings = settings
        self._say = say
        self._me = Owner.now(checkout, settings.state)
        self._record = record or OwnerRecord(RUN_FOLDER)
        self._cgroup = cgroup or Cgroup()

    def components(self) -> list[Component]:
        """Every component, in the order of starting."""
        return [component for stage in self._stages() for component in stage]

    def _stages(self) -> list[list[Component]]:
        """A stage starts when the one before is ready; inside a stage all start together."""
        s = self.settings
        return [
            [control_plane.etcd(s), node.containerd(s), addons.registry(s)],
            [control_plane.apiserver(s)],
            [
                control_plane.controller_manager(s),
                control_plane.scheduler(s),
                node.kubelet(s),
                node.proxy(s),
                addons.dns(s),
                addons.volumes(s),
            ],
        ]

    def process(self, component: Component) -> Process:
        """The process of a component."""
        records = self.settings.run / "processes"
        return Process(component.name, records=records, logs=self.settings.logs)

    def up(self) -> None:
        """Bring everything up; what runs already stays as it is."""
        _require_root()
        with self._record.locked("devcluster up"):
            self._claim()
            ensure_binaries(self.settings.cache, self.settings.bin, self._say)
            started = time.monotonic()
            if not any(self.process(c).pid for c in self.components()):
                sweep(self.settings, self._cgroup)
            self._prepare()
            for stage in self._stages():
                self._start(stage)
            self._apply_objects()
            self._await_node()
            self._say(f"the cluster is up ({time.monotonic() - started:.0f} s)")

    def down(self, *, take_over: bool = False) -> None:
        """End the cluster and leave nothing of it but its data."""
        _require_root()
        with self._record.locked("devcluster down"):
            self._end(take_over=take_over)

    def reset(self, *, take_over: bool = False) -> None:
        """End the cluster and empty its state folder; built programs stay in the cache."""
        _require_root()
        with self._record.locked("devcluster reset"):
            settings = self._end(take_over=take_over)
            if settings.state.exists():
                shutil.rmtree(settings.state)
            self._say(f"{settings.state} is empty")

    def status(self) -> dict[str, object]:
        """What runs, as a JSON object."""
        owner = self._record.read()
        processes = {c.name: self.process(c).pid for c in self.components()}
        return {
            "running": all(processes.values()),
            "mine": owner is not None and owner.same_place(self._me),
            "checkout": owner.checkout if owner else None,
            "state": owner.state if owner else None,
            "since": owner.since if owner else None,
            "node_ready": bool(processes["kube-apiserver"]) and self._node_ready(),
            "memory_bytes": self._cgroup.memory(),
            "components": processes,
        }

    def _claim(self) -> None:
        """Become the owner; clear up after one whose processes are gone."""
        owner = self._record.read()
        if owner is not None and not owner.same_place(self._me):
            if self._cgroup.processes():
                raise ForeignCluster(owner.checkout, owner.state, owner.since)
            sweep(Settings(Path(owner.state), self.settings.cache), self._cgroup)
            owner = None
        if owner is None or not self._cgroup.processes():
            self._record.write(self._me)

    def _end(self, *, take_over: bool) -> Settings:
        """Stop what runs, whoever's it is when told so, and give the settings of what was ended."""
        owner = self._record.read()
        settings = self.settings
        if owner is not None and not owner.same_place(self._me):
            if not take_over and self._cgroup.processes():
                raise ForeignCluster(owner.checkout, owner.state, owner.since)
            settings = Settings(Path(owner.state), self.settings.cache)
        ended = Cluster(settings, self._say, record=self._record, cgroup=self._cgroup)
        ended._stop()
        sweep(settings, self._cgroup)
        self._record.remove()
        self._say("the cluster is down")
        return settings

    def _stop(self) -> None:
        """The kubelet goes first, or it would start again the pods that end next."""
        components = {c.name: c for c in self.components()}
        self.process(components["kubelet"]).stop(patience=10)
        self._cgroup.end_processes(patience=3, below="kubepods")
        for component in reversed(list(components.values())):
            self.process(component).stop(component.stop_timeout)

    def _prepare(self) -> None:
        """Everything that must be there before the first component starts."""
        s = self.settings
        for folder in (s.state, s.config, s.data, s.run, s.logs, s.data / "volumes"):
            folder.mkdir(parents=True, exist_ok=True)
        s.state.chmod(0o711)
        ensure_certificates(s.keys)
        write_kubeconfig(s.keys, "admin", s.kubeconfig)
        for name in ("controller-manager", "scheduler", "kubelet", "proxy"):
            write_kubeconfig(s.keys, name, s.config / f"{name}.kubeconfig")
        pause = pause_image_name((s.bin / "pause").read_bytes())
        node.write_node_config(s, pause)
        addons.write_addon_config(s, pause)
        self._cgroup.ensure()
        Switches(s.state / "switches.json").set()
        ensure_link()
        ensure_rules()

    def _start(self, stage: Sequence[Component]) -> None:
        """Start the components of a stage that do not run, and wait until all are ready."""
        search = os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        environment = {**os.environ, "PATH": f"{self.settings.bin}:{search}"}
        for component in stage:
            process = self.process(component)
            if process.pid is None:
                pid = process.start(
                    component.arguments, {**environment, **component.environment}
                )
                self._cgroup.join(pid)
                self._say(f"started {component.name}")
        for component in stage:
            self._await(component)
        if any(c.name == "containerd" for c in stage):
            Images(self.settings).ensure_pause(
                (self.settings.bin / "pause").read_bytes()
            )

    def _await(self, component: Component) -> None:
        process = self.process(component)
        deadline = time.monotonic() + component.start_timeout
        while not component.ready():
            if process.ended():
                raise ComponentFailed(
                    component.name, "ended", process.log, process.tail()
                )
            if time.monotonic() > deadline:
                problem = f"was not ready after {component.start_timeout:.0f} s"
                raise ComponentFailed(
                    component.name, problem, process.log, process.tail()
                )
            time.sleep(0.1)

    def _apply_objects(self) -> None:
        document = {"apiVersion": "v1", "kind": "List", "items": addons.objects()}
        arguments = ["apply", "--server-side", "--force-conflicts", "-f", "-"]
        run(self._kubectl(*arguments), text=json.dumps(document))

    def _await_node(self) -> None:
        """Wait until pods may be made, and look after the components, as one may end late."""
        deadline = time.monotonic() + NODE_TIMEOUT
        while not (self._node_ready() and self._pods_may_be_made()):
            for component in self.components():
                process = self.process(component)
                if process.ended():
                    raise ComponentFailed(
                        component.name, "ended", process.log, process.tail()
                    )
            if time.monotonic() > deadline:
                process = self.process(node.kubelet(self.settings))
                problem = f"did not make the node ready in {NODE_TIMEOUT} s"
                raise ComponentFailed("kubelet", problem, process.log, process.tail())
            time.sleep(0.3)

    def _node_ready(self) -> bool:
        ready = "--for=condition=Ready"
        return succeeds(
            self._kubectl("wait", ready, f"node/{NODE_NAME}", "--timeout=1s")
        )

    def _pods_may_be_made(self) -> bool:
        """A namespace takes no pod before the controllers have made its service account."""
        account = ["get", "serviceaccount/default", "--output=name"]
        return all(
            succeeds(self._kubectl(*account, f"--namespace={namespace}"))
            for namespace in ("default", "kube-system")
        )

    def _kubectl(self, *arguments: str) -> list[str]:
        program = str(self.settings.bin / "kubectl")
        return [program, f"--kubeconfig={self.settings.kubeconfig}", *arguments]


def _require_root() -> None:
    if os.geteuid() != 0:
        raise DevclusterError(
            "A cluster needs root: links, mounts and control groups. Use sudo."
        )
