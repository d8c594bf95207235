"""The half that reads desktops: containerd, the freeze, the files. It has no network."""
