"""Pure functions between audio and spectra, and from one sample rate to another."""
