"""Text autograd and its parts."""
