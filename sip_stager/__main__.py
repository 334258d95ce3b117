"""``python -m sip_stager`` is the same as ``sip-stager``."""

from sip_stager.cli import main

main()
