"""LiteLLM's configuration, read as a gateway file."""

import pytest
import yaml

from alcove.kernel.errors import InvalidRequest
from alcove.ops.litellm_config import imported

CONFIG = """
model_list:
  - model_name: gpt-4o
    litellm_params: {model: openai/gpt-4o, api_key: os.environ/OPENAI_API_KEY, rpm: 600, timeout: 60}
    model_info: {access_groups: [fast]}
  - model_name: gpt-4o
    litellm_params: {model: openai/gpt-4o, api_key: os.environ/OTHER_KEY, weight: 2, order: 1}
  - model_name: claude
    litellm_params: {model: anthropic/claude-sonnet-4-5, api_key: os.environ/ANTHROPIC_API_KEY}
  - model_name: local
    litellm_params: {model: ollama_chat/qwen2.5:0.5b, api_base: "http://127.0.0.1:11434"}
  - model_name: vllm
    litellm_params: {model: hosted_vllm/meta-llama/Llama-3-8B, api_base: "http://10.0.0.5:8000/v1/", input_cost_per_token: 0.0000015, output_cost_per_token: 0.000002}
  - model_name: aws
    litellm_params: {model: bedrock/anthropic.claude-v2, aws_region_name: us-east-1}
  - model_name: "openai/*"
    litellm_params: {model: "openai/*", api_key: os.environ/OPENAI_API_KEY}
router_settings:
  routing_strategy: latency-based-routing
  num_retries: 3
  model_group_alias: {gpt-4: gpt-4o}
  redis_host: cache
litellm_settings:
  fallbacks: [{gpt-4o: [claude]}, {absent: [claude]}]
  context_window_fallbacks: [{local: [gpt-4o]}]
  cache: true
  cache_params: {type: redis-semantic, ttl: 600, similarity_threshold: 0.9}
  drop_params: true
general_settings: {master_key: sk-1234}
"""


def test_servers_models_and_routing_are_taken_over():
    found = imported(yaml.safe_load(CONFIG))
    servers = {each["name"]: each for each in found.file["deployments"]}
    assert servers["openai"] == {
        "name": "openai", "provider": "openai", "base_url": "https://api.openai.com/v1", "models": ["gpt-4o"], "api_key": "${OPENAI_API_KEY}",
        "options": {"total_timeout_s": 60},
    }  # fmt: skip
    assert servers["openai-2"]["api_key"] == "${OTHER_KEY}"
    assert (servers["anthropic"]["provider"], servers["ollama-chat"]["provider"]) == ("anthropic", "ollama")
    assert servers["hosted-vllm"]["base_url"] == "http://10.0.0.5:8000/v1"
    assert servers["hosted-vllm"]["models"] == ["meta-llama/Llama-3-8B"]
    assert servers["hosted-vllm"]["options"] == {"prices": {"input_usd": 1.5, "output_usd": 2.0}}
    groups = {each["model"]: each for each in found.file["model_groups"]}
    assert groups["gpt-4o"] == {
        "model": "gpt-4o",
        "members": [
            {"deployment": "openai", "model": "gpt-4o", "weight": 600},
            {"deployment": "openai-2", "model": "gpt-4o", "weight": 2, "order": 1},
        ],
        "access_groups": ["fast"],
        "strategy": "lowest_latency",
        "retries": 3,
        "fallbacks": {"on_error": ["claude"]},
        "aliases": ["gpt-4"],
        "cache": {"mode": "semantic", "ttl_s": 600, "threshold": 0.9},
    }
    assert groups["local"]["fallbacks"] == {"on_context_overflow": ["gpt-4o"]}


@pytest.mark.parametrize(
    "word",
    [
        "aws",
        "redis_host",
        "drop_params",
        "general_settings",
        "'absent'",
        "is_shared",
        "every model of 'openai'",
        "`rpm`",
    ],
)
def test_what_is_not_taken_over_is_told(word: str):
    assert [note for note in imported(yaml.safe_load(CONFIG)).notes if word in note]


def test_no_secret_of_the_proxy_is_taken_over():
    found = imported(yaml.safe_load(CONFIG))
    assert "sk-1234" not in str(found)


@pytest.mark.parametrize("config", [None, [], {}, {"model_list": {}}, "text"])
def test_other_files_are_refused(config: object):
    with pytest.raises(InvalidRequest, match="model_list"):
        imported(config)


@pytest.mark.parametrize(
    "entry", [None, 1, {}, {"model_name": "a"}, {"model_name": "a", "litellm_params": {"model": "vllm/x"}}]
)
def test_odd_entries_are_told_and_left_out(entry: object):
    found = imported({"model_list": [entry]})
    assert found.file == {"deployments": [], "model_groups": []}
    assert len(found.notes) == 1
