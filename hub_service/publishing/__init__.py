"""What everybody may start, and where it is offered and fetched."""
