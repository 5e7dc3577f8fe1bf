from textgrad_agents.errors import GraphError
from textgrad_agents.variables import get_run_id


class _RunID:
    def get(self) -> int:
        try:
            return get_run_id()
        except GraphError:
            raise LookupError from None


_RUN_ID = _RunID()

__all__ = ["_RUN_ID"]
