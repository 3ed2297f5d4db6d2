"""Memory that the processes share, without locks."""
