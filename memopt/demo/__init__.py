"""``python -m memopt demo``: each swap before and after, measured.

``scenarios`` holds the workloads, ``measure`` runs one of their variants in
a fresh process (``worker`` is what runs there), ``report`` prints the outcome,
``command`` is the command line.
"""
