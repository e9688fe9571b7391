"""The frozen backbone: found, loaded, and run with a prompt among its input."""
