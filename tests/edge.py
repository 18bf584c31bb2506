"""The layers that the application puts around its routes, for tests of single rooms."""

from collections.abc import Sequence

from starlette.types import ASGIApp

from alcove.infra.middleware import (
    CONTENT_SECURITY_POLICY,
    DEFAULT_UPLOAD_PATHS,
    BodyLimit,
    EdgeSettings,
    HostCheck,
    ProxyHeaders,
    RequestContext,
    SecurityHeaders,
)


def edge(
    app: ASGIApp,
    settings: EdgeSettings,
    *,
    bind_host: str,
    upload_paths: Sequence[str] = DEFAULT_UPLOAD_PATHS,
    policy: str = CONTENT_SECURITY_POLICY,
) -> ASGIApp:
    """Gives the application with its edge around it.

    Args:
        app: The application, with the authentication layer already around or inside it.
        settings: The edge's settings.
        bind_host: The address the server listens on.
        upload_paths: Paths, as regular expressions matched in full, that may be sent `max_upload_bytes`.
        policy: The content security policy.
    """
    limited = BodyLimit(
        app,
        max_bytes=settings.max_body_bytes,
        max_upload_bytes=settings.max_upload_bytes,
        upload_paths=upload_paths,
    )
    checked = HostCheck(limited, allowed=settings.allowed_hosts, bind_host=bind_host)
    identified = RequestContext(checked)
    hardened = SecurityHeaders(identified, policy=policy)
    return ProxyHeaders(hardened, trusted=settings.trusted_proxies)
