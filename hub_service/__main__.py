"""Starts the service: python -m hub_service."""

from hub_service.app import HubService

HubService.launch_instance()
