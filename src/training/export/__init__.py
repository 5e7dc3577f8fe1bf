"""The files of an episode: written from the record, read back into it."""

from training.export.encoding import episode_to_dict
from training.export.files import episode_from_dict, load_episode, load_episode_dict, write_episode

__all__ = ["episode_from_dict", "episode_to_dict", "load_episode", "load_episode_dict", "write_episode"]
