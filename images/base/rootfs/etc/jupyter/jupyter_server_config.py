"""How the Jupyter server of a desktop serves it; start-desktop says where it runs."""

import json
import os
from pathlib import Path

c = get_config()  # noqa: F821

c.ServerApp.ip = "0.0.0.0"
c.ServerApp.port = 8888
# A second port would be a desktop that nobody finds.
c.ServerApp.port_retries = 0
c.ServerApp.open_browser = False
c.ServerApp.default_url = "/desktop/"
c.ServerApp.root_dir = os.environ["HOME"]
c.ServerApp.quit_button = False
c.ServerApp.terminado_settings = {"shell_command": ["/bin/bash"]}
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"

# Programs of the tools page and JupyterLab's launcher: one file each, added by whoever installs it.
# One whose program ("needs") the image does not have is left out.
c.ServerProxy.servers = {}
for file in sorted(Path("/etc/jupyter/programs.d").glob("*.json")):
    for name, program in json.loads(file.read_text()).items():
        if Path(program.pop("needs")).exists():
            c.ServerProxy.servers[name] = program

# The key that signs trusted notebooks is a secret: an image for others must not have it.
if os.environ.get("DESKTOPS_SESSION") == "customise":
    c.NotebookNotary.data_dir = os.environ["JUPYTER_RUNTIME_DIR"]

if os.environ.get("DESKTOP_SERVER_MODE") == "kubeflow":
    # Kubeflow's gateway signs people in and forwards below NB_PREFIX.
    c.ServerApp.base_url = os.environ["NB_PREFIX"]
    c.ServerApp.allow_remote_access = True
    c.ServerApp.allow_origin = "*"
    c.ServerApp.authenticate_prometheus = False
    c.IdentityProvider.token = ""
    c.PasswordIdentityProvider.hashed_password = ""
