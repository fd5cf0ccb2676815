"""What holds for every test."""

import signal

# A shell that runs us in the background has SIGINT ignored, and children would inherit that: Ctrl-C is under test here.
signal.signal(signal.SIGINT, signal.default_int_handler)
