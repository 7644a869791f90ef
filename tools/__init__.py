"""Tools that build and check memopt for platforms other than this one."""
