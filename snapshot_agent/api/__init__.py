"""The half with the network: who asks, which pod it is, the registry. It reads no desktop."""
