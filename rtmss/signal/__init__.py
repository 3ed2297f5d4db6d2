"""Pure functions between audio and spectra."""
