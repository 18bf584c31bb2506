"""Who may use the models on this machine's disk, by the allowances that bind every other model too."""

from dataclasses import dataclass

from alcove.gateway.access import may_use
from alcove.gateway.directory import DeploymentDirectory
from alcove.gateway.models import LOCAL_NAME
from alcove.kernel.ports import ModelInfo
from alcove.kernel.principal import Principal

_LATEST = ":latest"


@dataclass(frozen=True, slots=True)
class LocalModelAccess:
    """Implements the runtime's port `ModelAccess`.

    Attributes:
        directory: Knows the access groups that models belong to.
    """

    directory: DeploymentDirectory

    def may_use(self, who: Principal, model: str) -> bool:
        """Tells whether somebody may use a model, by any of the ids it has here."""
        known = self.directory.known(f"{LOCAL_NAME}/{model}")
        short = model.removesuffix(_LATEST)
        info = ModelInfo(
            id=model,
            aliases=(short, f"{LOCAL_NAME}/{model}", f"{LOCAL_NAME}/{short}"),
            access_groups=() if known is None else known.access_groups,
        )
        return may_use(who, info)
