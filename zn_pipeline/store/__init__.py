"""Git, DVC, caches and revisions. The only folder that imports ``dvc`` or ``git``."""
