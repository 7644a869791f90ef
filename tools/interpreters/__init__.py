"""CPythons that this machine has not: to try memopt on, and to test it with."""
