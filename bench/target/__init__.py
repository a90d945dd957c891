"""The board under test, through its debug probe. The only user of pyOCD."""
