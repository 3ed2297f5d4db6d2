"""What lies between the device's blocks and the engine's hops."""
