"""The gateway as a file: what is read, and what is to be changed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from alcove.gateway.guards.models import GuardrailCreate
from alcove.gateway.models import DeploymentCreate
from alcove.gateway.routing.models import ModelGroupCreate
from alcove.identity.wire import GroupCreate
from alcove.kernel.errors import InvalidRequest
from alcove.ops.gateway_file import GatewayFile, Item, plan, read_file

OPENAI = {
    "id": "d1", "name": "openai", "provider": "openai", "base_url": "https://api.openai.com/v1", "api_key_hint": "wxyz", "models": ["gpt-4o"],
    "enabled": True, "source": "admin", "options": {"weight": 1.0, "prices": {"input_usd": "2.50"}, "guards": []},
}  # fmt: skip


def reader(**lists: Sequence[Item]):
    def read(path: str) -> Sequence[Item]:
        return lists.get(path.removeprefix("/api/v1/").replace("-", "_").replace("/", "__"), ())

    return read


def wanted(**lists: Any) -> GatewayFile:
    return GatewayFile.model_validate(lists)


def test_yaml_and_toml_say_the_same(tmp_path: Path):
    (tmp_path / "a.yaml").write_text('deployments:\n  - name: local\n    base_url: "http://127.0.0.1:${PORT}/v1"\n')
    (tmp_path / "a.toml").write_text('[[deployments]]\nname = "local"\nbase_url = "http://127.0.0.1:${PORT}/v1"\n')
    found = read_file(tmp_path / "a.yaml", {"PORT": "8080"})
    assert found == read_file(tmp_path / "a.toml", {"PORT": "8080"})
    assert found.deployments == [{"name": "local", "base_url": "http://127.0.0.1:8080/v1"}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("deployments: [{name: a, api_key: '${ABSENT}'}]", "'ABSENT', which is not set"),
        ("deployments: [{provider: openai}]", "every deployment needs a 'name'"),
        ("deployments: [{name: a}, {name: a}]", "declared twice"),
        ("deploys: []", "deploys: Extra inputs are not permitted"),
        ("deployments: {", "cannot be read"),
        ("- 1", "no gateway file"),
        ("deployments: [!!python/object/apply:os.system ['true']]", "cannot be read"),
    ],
)
def test_bad_file_is_told(tmp_path: Path, text: str, message: str):
    path = tmp_path / "gateway.yaml"
    path.write_text(text)
    with pytest.raises(InvalidRequest) as failure:
        read_file(path, {})
    assert message in failure.value.detail


def test_what_is_there_already_is_left_alone():
    item = {
        "name": "openai",
        "models": ["gpt-4o"],
        "api_key": "sk-some-long-key-wxyz",
        "options": {"prices": {"input_usd": 2.5}},
    }
    assert plan(wanted(deployments=[item]), reader(deployments=[OPENAI])) == []


def test_what_differs_is_changed_and_the_rest_kept():
    item = {"name": "openai", "enabled": False, "options": {"weight": 3}}
    (change,) = plan(wanted(deployments=[item]), reader(deployments=[OPENAI]))
    assert (change.action, change.item_id, change.name) == ("update", "d1", "openai")
    assert change.differences == (("enabled", True, False), ("options.weight", 1.0, 3))
    assert change.body == {"enabled": False, "options": {**OPENAI["options"], "weight": 3}}  # type: ignore[dict-item]


def test_new_key_is_sent_and_not_shown():
    (change,) = plan(
        wanted(deployments=[{"name": "openai", "api_key": "sk-another-key-abcd"}]), reader(deployments=[OPENAI])
    )
    assert change.body == {"api_key": "sk-another-key-abcd"}
    assert "abcd" not in str(change.differences)
    (made,) = plan(wanted(deployments=[{"name": "new", "api_key": "sk-another-key-abcd"}]), reader())
    assert "abcd" not in str(made.differences)


def test_pruning_deletes_what_admins_added_of_the_declared_kinds():
    there = [
        OPENAI,
        {**OPENAI, "id": "d2", "name": "old"},
        {**OPENAI, "id": "s", "name": "fixed", "source": "settings"},
    ]
    file = wanted(deployments=[{"name": "openai"}])
    assert plan(file, reader(deployments=there, groups=[{"id": "g", "name": "team"}])) == []
    (change,) = plan(file, reader(deployments=there, groups=[{"id": "g", "name": "team"}]), is_pruning=True)
    assert (change.action, change.name, change.item_id) == ("delete", "old", "d2")


def test_deployments_come_before_the_groups_that_name_them_and_go_after():
    file = wanted(model_groups=[{"model": "m"}], deployments=[{"name": "d"}])
    assert [each.name for each in plan(file, reader())] == ["d", "m"]
    gone = plan(
        wanted(model_groups=[], deployments=[]),
        reader(deployments=[OPENAI], model_groups=[{"id": "m1", "model": "m"}]),
        is_pruning=True,
    )
    assert [each.name for each in gone] == ["m", "openai"]


def test_what_the_settings_declare_is_not_changed_by_a_file():
    with pytest.raises(InvalidRequest, match="settings"):
        plan(wanted(deployments=[{"name": "openai"}]), reader(deployments=[{**OPENAI, "source": "settings"}]))


def test_members_of_a_group_are_what_the_file_says():
    there = {
        "groups": [{"id": "g1", "name": "team", "limits": None}],
        "groups__g1__members": [{"id": "u1", "email": "old@x.org"}, {"id": "u2", "email": "both@x.org"}],
    }
    (change,) = plan(wanted(groups=[{"name": "team", "members": ["both@x.org", "new@x.org"]}]), reader(**there))
    assert (change.body, change.joins, change.leaves) == ({}, ("new@x.org",), (("u1", "old@x.org"),))
    assert plan(wanted(groups=[{"name": "team"}]), reader(**there)) == []


def test_the_guides_example_is_a_gateway_file(tmp_path: Path):
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "gateway-file.md").read_text(encoding="utf-8")
    (tmp_path / "gateway.yaml").write_text(guide.split("```yaml\n")[1].split("```")[0])
    found = read_file(tmp_path / "gateway.yaml", {"OPENAI_API_KEY": "sk-1"})
    assert [len(each) for each in (found.deployments, found.guardrails, found.model_groups, found.groups)] == [
        2,
        1,
        1,
        1,
    ]
    for item in found.deployments:
        DeploymentCreate.model_validate(item)
    for item in found.guardrails:
        GuardrailCreate.model_validate(item)
    for item in found.model_groups:
        ModelGroupCreate.model_validate(item)
    GroupCreate.model_validate({key: value for key, value in found.groups[0].items() if key != "members"})
