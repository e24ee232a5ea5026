"""``python -m zn_pipeline.cli``: the command line without its script."""

from zn_pipeline.cli.app import main

main()
