"""What the end-to-end tests are written with: the daemon, its clients, and servers to connect to."""
