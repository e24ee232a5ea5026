"""Commands of the node library: ``znp train | eval | md | template | validate | schema``.

Registered as entry points of the group ``zn_pipeline.commands``. The modules here are imported to
show the help, so they import nothing heavy before a command runs.
"""
