"""No test reads or writes the store of whoever runs it."""

import os

os.environ["TNCONV_STORE"] = "off"
