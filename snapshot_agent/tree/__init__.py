"""What a desktop has changed, read safely from its upper directory and written as layers."""
