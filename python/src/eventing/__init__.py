"""Publishing memory events: see `eventing.producer`."""
