"""A key that is for some models is told of no others."""

from dataclasses import replace
from pathlib import Path

import pytest

from alcove.gateway.adapters.local_access import LocalModelAccess
from alcove.identity.models import Action
from alcove.kernel.ports import ModelInfo
from alcove.kernel.principal import Allowance, Principal, Role
from alcove.runtime.catalog.creating import Recipe
from alcove.runtime.catalog.ports import MODEL_ACTIONS, Origin
from alcove.runtime.library import Asking, Wanted
from alcove.runtime.models import LeaseRequest
from tests.runtime.serving import PEOPLE, listening
from tests.runtime.test_ollama_api import create


class Directory:
    """Knows that one model is in an access group."""

    def known(self, model_id: str) -> ModelInfo | None:
        return ModelInfo(id=model_id, access_groups=("small",)) if model_id == "local/tiny:latest" else None


ACCESS = LocalModelAccess(Directory())  # type: ignore[arg-type]


def holder(*models: str) -> Principal:
    allowance = Allowance(subject="key:1", name="narrow", models=models)
    return Principal(user_id="u", email="u@example.org", role=Role.USER, allowances=(allowance,))


@pytest.mark.parametrize(
    "pattern", ["tiny", "tiny:latest", "local/tiny", "local/tiny:latest", "local/*", "ti*", "@small"]
)
def test_a_model_is_known_by_all_its_ids(pattern: str) -> None:
    assert ACCESS.may_use(holder(pattern), "tiny:latest")
    assert not ACCESS.may_use(holder("other", "@large"), "tiny:latest")
    assert ACCESS.may_use(Principal(user_id="u", email="u@example.org", role=Role.USER), "tiny:latest")


async def test_other_models_are_not_there_for_a_narrow_key(tmp_path: Path) -> None:
    async with (
        listening(tmp_path, access=ACCESS) as served,
        served.client() as admin,
        served.client("sk-as-bob") as bob,
    ):
        for name in ("tiny", "secret"):
            await create(admin, name)
        async with (
            served.local.lease(LeaseRequest(model="tiny")), served.local.lease(LeaseRequest(model="secret")),
        ):  # fmt: skip
            for path, field, name in (
                ("/api/tags", "models", "name"), ("/api/ps", "models", "name"),
                ("/api/v1/runtime/models", "items", "name"), ("/api/v1/runtime/running", "items", "model"),
            ):  # fmt: skip
                assert len((await admin.get(path)).json()[field]) == 2, path
                assert [each[name] for each in (await bob.get(path)).json()[field]] == ["tiny:latest"], path
        assert (await bob.post("/api/show", json={"model": "tiny"})).status_code == 200
        hidden, absent = [await bob.post("/api/show", json={"model": name}) for name in ("secret", "nothing")]
        assert (hidden.status_code, absent.status_code) == (404, 404)
        assert hidden.json()["error"] == "model 'secret' not found"
        for path in ("/v2/", "/v2/library/tiny/manifests/latest"):
            assert (await bob.get(path)).status_code == 403
            assert (await admin.get(path)).status_code == 200


def test_every_change_of_models_can_be_audited() -> None:
    assert {Action(each).value for each in MODEL_ACTIONS} == set(MODEL_ACTIONS)


class BrokenAudit:
    """Cannot write."""

    async def record(self, who: Principal, action: str, subject: str, origin: Origin) -> None:
        raise OSError(action)


async def test_nothing_is_changed_that_is_not_recorded(tmp_path: Path) -> None:
    asking = Asking(who=PEOPLE["sk-as-root"], origin=Origin())
    async with listening(tmp_path) as served, served.client() as admin:
        await create(admin, "tiny")
        library = replace(served.library, audit=BrokenAudit())
        with pytest.raises(OSError, match="copy"):
            await library.copy("tiny", "other", asking)
        with pytest.raises(OSError, match="delete"):
            await library.delete("tiny", asking)
        with pytest.raises(OSError, match="create"):
            [each async for each in library.create(Recipe(name="other", origin="tiny"), asking)]
        with pytest.raises(OSError, match="pull"):
            await library.start_pull(Wanted(reference="other"), asking, is_kept=True)
        assert [each.name for each in await library.catalog.list()] == ["tiny:latest"]
        assert library.pulls() == []
