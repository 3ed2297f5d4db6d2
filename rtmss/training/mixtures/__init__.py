"""Training mixtures: audio kept in a bank, drawn as plans in numbers, made to sound in batches."""
