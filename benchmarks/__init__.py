"""Speed and memory beside the peers: ``compare`` for ratios, pytest for history."""
