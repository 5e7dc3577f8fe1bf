"""HotPotQA: questions that take several pages of Wikipedia to answer."""

from envs.hotpotqa.dataset import HotPotQADataset
from envs.hotpotqa.environment import HotPotQAEnv, HotPotQAEnvConfig, HotPotQAEnvState
from envs.hotpotqa.pages import FolderPages, Page, PageSource, PageTable, Similar
from envs.hotpotqa.wikipedia import WikipediaPages

__all__ = [
    "FolderPages",
    "HotPotQADataset",
    "HotPotQAEnv",
    "HotPotQAEnvConfig",
    "HotPotQAEnvState",
    "Page",
    "PageSource",
    "PageTable",
    "Similar",
    "WikipediaPages",
]
