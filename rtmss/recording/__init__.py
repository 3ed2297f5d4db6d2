"""What is kept of a session: audio files and a log, which can be played again."""
