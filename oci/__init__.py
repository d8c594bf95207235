"""References, digests and the distribution protocol: what hub_service and snapshot_agent share."""
