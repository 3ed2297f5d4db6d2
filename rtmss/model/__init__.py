"""The causal conditional U-Net, its clip encoder, and their weights."""
