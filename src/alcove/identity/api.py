"""Routes of the identity room: sign-in, accounts, groups, API keys, audit."""

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request, Response, status

from alcove import __version__
from alcove.identity import wire
from alcove.identity.accounts import NewUser, UserEdit
from alcove.identity.cookies import clear_session, session_token, set_session
from alcove.identity.forgery import is_own_page
from alcove.identity.models import Actor, ForgedRequest, GroupChange, SignedIn
from alcove.identity.service import Identity
from alcove.infra.middleware import client_ip, is_local
from alcove.infra.web import AdminDep, PageDep, PrincipalDep, problems
from alcove.infra.web import principal as require_principal
from alcove.kernel.errors import Forbidden, NotAuthenticated
from alcove.kernel.pages import Page
from alcove.kernel.principal import Principal, Role

router = APIRouter(prefix="/api/v1", tags=["identity"])


def _identity(request: Request) -> Identity:
    return cast("Identity", request.state.identity)


def _actor(request: Request) -> Actor:
    found = getattr(request.state, "principal", None)
    return Actor(
        name=found.email if isinstance(found, Principal) else "anonymous",
        ip=client_ip(request.scope),
        request_id=str(getattr(request.state, "request_id", "")),
    )


def _not_forged(request: Request, identity: Annotated[Identity, Depends(_identity)]) -> None:
    """Keeps foreign pages from signing a browser in: there is no session yet whose token could be asked for."""
    if is_own_page(request.scope, identity.trusted_origins) is False:
        raise ForgedRequest


def _person(who: PrincipalDep) -> Principal:
    """Gives a person with a browser session: a leaked key must not make others that outlive it."""
    if who.session_id is None:
        raise Forbidden("An API key cannot do this; sign in with a browser.")
    return who


IdentityDep = Annotated[Identity, Depends(_identity)]
ActorDep = Annotated[Actor, Depends(_actor)]
PersonDep = Annotated[Principal, Depends(_person)]
NOT_FORGED = Depends(_not_forged)


def _signed_in(request: Request, response: Response, identity: Identity, signed_in: SignedIn) -> wire.SignedIn:
    lifetime_s = identity.sessions.settings.session_absolute_s
    set_session(response, request.scope, signed_in, lifetime_s=lifetime_s)
    return wire.SignedIn(user=wire.User.of(signed_in.user), csrf_token=signed_in.csrf_token)


@router.get("/auth/state", responses=problems())
async def auth_state(request: Request, identity: IdentityDep) -> wire.AuthState:
    """Tells whether the first account is to be made, and who has signed in."""
    try:
        who = require_principal(request)
    except (NotAuthenticated, Forbidden):
        is_open = await identity.setup.is_open()
        return wire.AuthState(setup_required=is_open, user=None, csrf_token=None, version=__version__)
    user = await identity.accounts.get(who.user_id)
    token = None if who.session_id is None else identity.sessions.csrf_token(who.session_id)
    return wire.AuthState(setup_required=False, user=wire.User.of(user), csrf_token=token, version=__version__)


@router.post(
    "/auth/setup",
    status_code=status.HTTP_201_CREATED,
    responses=problems(403, 404, 429, 503),
    dependencies=[NOT_FORGED],
)
async def set_up(
    body: wire.SetupRequest, request: Request, response: Response, identity: IdentityDep, actor: ActorDep
) -> wire.SignedIn:
    """Makes the first account with the token of the setup link; afterwards this address does not exist."""
    new = NewUser(email=body.email, name=body.name, password=body.password.get_secret_value(), role=Role.ADMIN)
    signed_in = await identity.setup.complete(body.token, new, actor, is_local=is_local(request.scope))
    return _signed_in(request, response, identity, signed_in)


@router.post("/auth/login", responses=problems(403, 429, 503), dependencies=[NOT_FORGED])
async def log_in(
    body: wire.LoginRequest, request: Request, response: Response, identity: IdentityDep, actor: ActorDep
) -> wire.SignedIn:
    """Signs in with e-mail address and password."""
    signed_in = await identity.sessions.log_in(
        body.email, body.password.get_secret_value(), actor, old_token=session_token(request.scope)
    )
    return _signed_in(request, response, identity, signed_in)


@router.post("/auth/logout", status_code=status.HTTP_204_NO_CONTENT, responses=problems(403))
async def log_out(
    who: PrincipalDep, request: Request, response: Response, identity: IdentityDep, actor: ActorDep
) -> None:
    """Ends the browser session."""
    if who.session_id is not None:
        await identity.sessions.log_out(who.session_id, actor)
    clear_session(response, request.scope)


@router.post("/auth/password", status_code=status.HTTP_204_NO_CONTENT, responses=problems(403, 429, 503))
async def change_password(body: wire.PasswordChange, who: PersonDep, identity: IdentityDep, actor: ActorDep) -> None:
    """Changes one's own password; all other sessions end."""
    await identity.sessions.change_password(
        who, body.current_password.get_secret_value(), body.new_password.get_secret_value(), actor
    )


@router.get("/users/me", responses=problems())
async def read_me(who: PrincipalDep, identity: IdentityDep) -> wire.User:
    """Gives one's own account."""
    return wire.User.of(await identity.accounts.get(who.user_id))


@router.patch("/users/me", responses=problems(403))
async def change_me(body: wire.ProfileChange, who: PrincipalDep, identity: IdentityDep) -> wire.User:
    """Changes one's own name."""
    if body.name is None:
        return wire.User.of(await identity.accounts.get(who.user_id))
    return wire.User.of(await identity.accounts.rename(who.user_id, body.name))


@router.get("/users", responses=problems(403))
async def list_users(_who: AdminDep, page: PageDep, identity: IdentityDep) -> Page[wire.User]:
    """Lists all accounts, the newest first."""
    found = await identity.accounts.page(page)
    return Page(items=[wire.User.of(each) for each in found.items], next_cursor=found.next_cursor)


@router.post("/users", status_code=status.HTTP_201_CREATED, responses=problems(403, 409, 503))
async def create_user(body: wire.UserCreate, _who: AdminDep, identity: IdentityDep, actor: ActorDep) -> wire.User:
    """Makes an account."""
    new = NewUser(email=body.email, name=body.name, password=body.password.get_secret_value(), role=Role(body.role))
    return wire.User.of(await identity.accounts.create(new, actor))


@router.patch("/users/{user_id}", responses=problems(403, 404, 409, 503))
async def update_user(
    user_id: str, body: wire.UserUpdate, _who: AdminDep, identity: IdentityDep, actor: ActorDep
) -> wire.User:
    """Changes an account. A new role, a new password or disabling ends all of its sessions."""
    edit = UserEdit(
        name=body.name,
        role=None if body.role is None else Role(body.role),
        is_disabled=body.disabled,
        password=None if body.password is None else body.password.get_secret_value(),
        limits=wire.kept(body.limits) if "limits" in body.model_fields_set else None,
    )
    return wire.User.of(await identity.accounts.update(user_id, edit, actor))


@router.delete("/users/{user_id}", status_code=status.HTTP_204_NO_CONTENT, responses=problems(403, 404, 409))
async def delete_user(user_id: str, _who: AdminDep, identity: IdentityDep, actor: ActorDep) -> None:
    """Deletes an account with everything it owns."""
    await identity.accounts.delete(user_id, actor)


@router.get("/keys", responses=problems())
async def list_keys(who: PrincipalDep, page: PageDep, identity: IdentityDep) -> Page[wire.Key]:
    """Lists one's own API keys, the newest first."""
    found = await identity.keys.page(who.user_id, page)
    return Page(items=[wire.Key.of(each) for each in found.items], next_cursor=found.next_cursor)


@router.post("/keys", status_code=status.HTTP_201_CREATED, responses=problems(403, 409))
async def create_key(body: wire.KeyCreate, who: PersonDep, identity: IdentityDep, actor: ActorDep) -> wire.KeyCreated:
    """Makes an API key; its secret is shown this once."""
    made = await identity.keys.create(who.user_id, body.name, actor, terms=body.terms(), maker=who)
    return wire.KeyCreated(key=wire.Key.of(made.key), secret=made.secret)


@router.patch("/keys/{key_id}", responses=problems(403, 404))
async def update_key(
    key_id: str, body: wire.KeyUpdate, who: PersonDep, identity: IdentityDep, actor: ActorDep
) -> wire.Key:
    """Changes one of one's own API keys: never beyond what the account it is charged to may use. Counts at once."""
    key = await identity.keys.mine(who.user_id, key_id)
    terms = body.terms_after(key)
    changed = await identity.keys.update(key, actor, name=body.name or key.name, terms=terms, maker=who)
    return wire.Key.of(changed)


@router.post("/keys/{key_id}/rotate", responses=problems(403, 404, 409))
async def rotate_key(
    key_id: str, body: wire.KeyRotate, who: PersonDep, identity: IdentityDep, actor: ActorDep
) -> wire.KeyCreated:
    """Gives one of one's own API keys a new secret, shown this once; the one before may count for a while yet."""
    made = await identity.keys.rotate(who.user_id, key_id, actor, grace_s=body.grace_s)
    return wire.KeyCreated(key=wire.Key.of(made.key), secret=made.secret)


@router.delete("/keys/{key_id}", status_code=status.HTTP_204_NO_CONTENT, responses=problems(403, 404))
async def revoke_key(key_id: str, who: PrincipalDep, identity: IdentityDep, actor: ActorDep) -> None:
    """Revokes one of one's own API keys."""
    await identity.keys.revoke(who.user_id, key_id, actor)


@router.get("/groups/mine", responses=problems())
async def my_groups(who: PrincipalDep, identity: IdentityDep) -> wire.Groups:
    """Lists the groups one is in, by name; a key can be charged to one of them."""
    return wire.Groups(items=[wire.Group.of(each) for each in await identity.groups.of_user(who.user_id)])


@router.get("/groups", responses=problems(403))
async def list_groups(_who: AdminDep, page: PageDep, identity: IdentityDep) -> Page[wire.Group]:
    """Lists all groups, the newest first."""
    found = await identity.groups.page(page)
    return Page(items=[wire.Group.of(each) for each in found.items], next_cursor=found.next_cursor)


@router.post("/groups", status_code=status.HTTP_201_CREATED, responses=problems(403, 409))
async def create_group(body: wire.GroupCreate, _who: AdminDep, identity: IdentityDep, actor: ActorDep) -> wire.Group:
    """Makes a group with nobody in it."""
    return wire.Group.of(await identity.groups.create(body.name, actor, limits=wire.kept(body.limits)))


@router.get("/groups/{group_id}", responses=problems(403, 404))
async def read_group(group_id: str, _who: AdminDep, identity: IdentityDep) -> wire.Group:
    """Gives a group."""
    return wire.Group.of(await identity.groups.get(group_id))


@router.patch("/groups/{group_id}", responses=problems(403, 404, 409))
async def update_group(
    group_id: str, body: wire.GroupUpdate, _who: AdminDep, identity: IdentityDep, actor: ActorDep
) -> wire.Group:
    """Changes a group. What it may use counts at once for the keys that are charged to it."""
    limits = wire.kept(body.limits) if "limits" in body.model_fields_set else None
    return wire.Group.of(await identity.groups.update(group_id, GroupChange(name=body.name, limits=limits), actor))


@router.delete("/groups/{group_id}", status_code=status.HTTP_204_NO_CONTENT, responses=problems(403, 404))
async def delete_group(group_id: str, _who: AdminDep, identity: IdentityDep, actor: ActorDep) -> None:
    """Deletes a group; the keys that are charged to it are revoked."""
    await identity.groups.delete(group_id, actor)


@router.get("/groups/{group_id}/members", responses=problems(403, 404))
async def list_members(group_id: str, _who: AdminDep, page: PageDep, identity: IdentityDep) -> Page[wire.User]:
    """Lists who is in a group, the newest account first."""
    found = await identity.groups.members(group_id, page)
    return Page(items=[wire.User.of(each) for each in found.items], next_cursor=found.next_cursor)


@router.put(
    "/groups/{group_id}/members/{user_id}", status_code=status.HTTP_204_NO_CONTENT, responses=problems(403, 404)
)
async def join_group(group_id: str, user_id: str, _who: AdminDep, identity: IdentityDep, actor: ActorDep) -> None:
    """Puts a person into a group."""
    await identity.groups.join(group_id, user_id, actor)


@router.delete(
    "/groups/{group_id}/members/{user_id}", status_code=status.HTTP_204_NO_CONTENT, responses=problems(403, 404)
)
async def leave_group(group_id: str, user_id: str, _who: AdminDep, identity: IdentityDep, actor: ActorDep) -> None:
    """Takes a person out of a group; their keys that are charged to it are good for nothing from then on."""
    await identity.groups.leave(group_id, user_id, actor)


@router.get("/audit", responses=problems(403))
async def list_audit(_who: AdminDep, page: PageDep, identity: IdentityDep) -> Page[wire.AuditRecord]:
    """Lists the audit table, the newest first."""
    found = await identity.audit.page(page)
    return Page(items=[wire.AuditRecord.of(each) for each in found.items], next_cursor=found.next_cursor)
