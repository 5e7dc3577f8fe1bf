"""What the servers of environments share: who may ask, what is read, how they run."""
