"""Sound devices, and the bridge between the clocks of two."""
