"""References, digests and the distribution protocol: what hub_service and snapshot_agent share.

`oci.names` makes repositories and tags, `oci.reference` reads image references,
`oci.client` talks to a registry. Nothing is imported here, so that the pure
modules stay free of HTTP.
"""
