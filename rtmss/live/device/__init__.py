"""Sound devices, and the adaptive resampler between the clocks of two."""
