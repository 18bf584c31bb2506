"""Finds where a model is to be pulled from by what it is called."""

from dataclasses import dataclass

from alcove.infra.http import HttpClient, Url
from alcove.runtime.names import DEFAULT_HOST, ModelName
from alcove.runtime.registry.errors import InsecureProtocol
from alcove.runtime.registry.hub import HubOrigin, parse_hub_address
from alcove.runtime.registry.oci import OciOrigin, OciPush
from alcove.runtime.registry.plain import PlainOrigin, file_name, name_of_file, parse_address
from alcove.runtime.registry.ports import ModelOrigin
from alcove.runtime.registry.settings import RegistrySettings
from alcove.runtime.registry.web import HUB_NAMES, open_registry


@dataclass(frozen=True, slots=True)
class Origins:
    """Knows the places models come from.

    Attributes:
        http: The house's client.
        settings: Who may be asked, and as whom.
    """

    http: HttpClient
    settings: RegistrySettings

    def of(self, reference: str, *, is_insecure: bool) -> ModelOrigin:
        """Gives where a model is: a name, the address of a GGUF file, or that of a file at the hub.

        Args:
            reference: What is to be pulled.
            is_insecure: Whether http will do.

        Raises:
            InvalidModelName: When it is neither.
            CloudModel: When it runs elsewhere.
            HostNotAsked: When the host may not be asked.
            InsecureProtocol: When it is http, and that will not do.
        """
        address = parse_address(reference)
        if address is not None:
            return self._file(*address, is_insecure=is_insecure)
        name = ModelName.parse(reference)
        registry = open_registry(
            self.http,
            self.settings,
            name.host,
            scheme=name.scheme,
            is_insecure=is_insecure and name.host != DEFAULT_HOST,
        )
        return HubOrigin(registry, name) if name.host.lower() in HUB_NAMES else OciOrigin(registry, name)

    def push(self, name: ModelName, *, is_insecure: bool) -> OciPush:
        """Gives where a model is pushed to.

        Raises:
            HostNotAsked: When the host may not be asked.
            InsecureProtocol: When it is http, and that will not do.
        """
        registry = open_registry(
            self.http,
            self.settings,
            name.host,
            scheme=name.scheme,
            is_insecure=is_insecure and name.host != DEFAULT_HOST,
        )
        return OciPush(registry, name)

    def _file(self, url: Url, digest: str, *, is_insecure: bool) -> ModelOrigin:
        if url.scheme == "http" and not is_insecure:
            raise InsecureProtocol
        registry = open_registry(self.http, self.settings, url.authority, scheme=url.scheme, is_insecure=is_insecure)
        at_hub = parse_hub_address(url, registry)
        if at_hub is not None:
            return at_hub
        return PlainOrigin(registry, registry.base.at(url.target), digest, name_of_file(file_name(url)))
