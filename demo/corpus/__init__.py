"""The demo model's ground: everything that it is taught, as phrases that are combined at random."""
