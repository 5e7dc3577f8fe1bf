"""Questions about papers on a shelf."""
