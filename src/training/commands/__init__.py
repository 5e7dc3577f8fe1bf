"""The subcommands of `textgrad-agents`, a module each: its flags, and what it does."""
