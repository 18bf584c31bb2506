"""What can go wrong between here and where models come from."""

from alcove.kernel.errors import Forbidden, InvalidRequest, ModelNotFound, UpstreamError


class HostNotAsked(Forbidden):
    """Models may not be pulled from that host; an operator can add it to the setting `runtime.registry.hosts`."""

    code = "registry_not_allowed"
    title = "Registry not allowed"


class InsecureProtocol(InvalidRequest):
    """insecure protocol http: send `insecure: true` (`--insecure`) to use it."""

    code = "insecure_protocol"
    title = "Insecure protocol"


class NotInRegistry(ModelNotFound):
    """pull model manifest: file does not exist."""

    code = "not_in_registry"
    title = "No such model in the registry"


class RegistryError(UpstreamError):
    """The registry answered with an error."""

    code = "registry_error"
    title = "The registry answered with an error"


class RegistryUnreachable(RegistryError):
    """The registry cannot be reached; check its address and the network, and pull again: what is here already is kept."""

    code = "registry_unreachable"
    title = "The registry cannot be reached"


class RegistryRefused(RegistryError):
    """The registry wants other credentials; an operator can set them with `runtime.registry.logins`."""

    code = "registry_refused"
    title = "The registry refused"


class UnusableModel(InvalidRequest):
    """The model is kept there in a form that cannot be run here; choose a version in GGUF."""

    code = "unusable_model"
    title = "Not a model that can be run here"
