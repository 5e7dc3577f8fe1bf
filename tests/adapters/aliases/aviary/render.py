from envs import Renderer

__all__ = ["Renderer"]
