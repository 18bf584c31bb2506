"""LiteLLM's proxy configuration, read as a gateway file (the format as LiteLLM's documentation has it, November 2026)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from alcove.kernel.errors import InvalidRequest

_VARIABLE = "os.environ/"
_PER_MILLION = 1_000_000
_DEFAULT_SEMANTIC = 0.8

_BASES: dict[str, tuple[str, str | None]] = {
    "openai": ("openai", "https://api.openai.com/v1"),
    "text-completion-openai": ("openai", "https://api.openai.com/v1"),
    "anthropic": ("anthropic", "https://api.anthropic.com"),
    "ollama": ("ollama", "http://127.0.0.1:11434"),
    "ollama_chat": ("ollama", "http://127.0.0.1:11434"),
    "groq": ("openai", "https://api.groq.com/openai/v1"),
    "mistral": ("openai", "https://api.mistral.ai/v1"),
    "deepseek": ("openai", "https://api.deepseek.com/v1"),
    "xai": ("openai", "https://api.x.ai/v1"),
    "together_ai": ("openai", "https://api.together.xyz/v1"),
    "fireworks_ai": ("openai", "https://api.fireworks.ai/inference/v1"),
    "perplexity": ("openai", "https://api.perplexity.ai"),
    "openrouter": ("openai", "https://openrouter.ai/api/v1"),
    "cerebras": ("openai", "https://api.cerebras.ai/v1"),
    "gemini": ("openai", "https://generativelanguage.googleapis.com/v1beta/openai"),
    "nvidia_nim": ("openai", "https://integrate.api.nvidia.com/v1"),
    "hosted_vllm": ("openai", None),
    "vllm": ("openai", None),
    "openai_like": ("openai", None),
    "lm_studio": ("openai", "http://127.0.0.1:1234/v1"),
    "llamafile": ("openai", "http://127.0.0.1:8080/v1"),
    "litellm_proxy": ("openai", None),
    "jina_ai": ("openai", "https://api.jina.ai/v1"),
}
"""LiteLLM's provider to our protocol, and where it is by default."""

_STRATEGIES = {
    "simple-shuffle": "weighted",
    "least-busy": "least_in_flight",
    "latency-based-routing": "lowest_latency",
    "cost-based-routing": "lowest_cost",
}
_FALLBACKS = {
    "fallbacks": "on_error",
    "context_window_fallbacks": "on_context_overflow",
    "content_policy_fallbacks": "on_content_policy",
}
_KNOWN_PARAMS = {
    "model", "api_key", "api_base", "base_url", "weight", "order", "timeout", "stream_timeout", "max_parallel_requests",
    "input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost", "rpm", "tpm", "max_retries",
}  # fmt: skip


@dataclass(slots=True)
class Imported:
    """What came of a configuration.

    Attributes:
        file: The gateway file, as plain data.
        notes: What was left out or is meant otherwise here, in sentences.
    """

    file: dict[str, list[dict[str, Any]]]
    notes: list[str] = field(default_factory=list)


def imported(config: object) -> Imported:
    """Gives a LiteLLM configuration as a gateway file.

    Raises:
        InvalidRequest: When it is none.
    """
    if not isinstance(config, Mapping) or not isinstance(config.get("model_list"), list):
        detail = "This is no LiteLLM configuration: it has no `model_list`."
        raise InvalidRequest(detail)
    reader = _Reader(config)
    for entry in config["model_list"]:
        reader.entry(entry)
    reader.settings()
    return Imported(
        {"deployments": list(reader.deployments.values()), "model_groups": list(reader.groups.values())}, reader.notes
    )


@dataclass(slots=True)
class _Reader:
    config: Mapping[str, Any]
    deployments: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def entry(self, entry: Any) -> None:  # noqa: ANN401  whatever the file holds
        if not isinstance(entry, Mapping) or not isinstance(entry.get("litellm_params"), Mapping):
            self.notes.append(f"An entry of `model_list` is not understood and was left out: {str(entry)[:80]!r}.")
            return
        name, params = str(entry.get("model_name", "")), entry["litellm_params"]
        found = self._server(name, params)
        if found is None:
            return
        provider, base, model = found
        deployment = self._deployment(provider, base, params)
        if model == "*":
            self.notes.append(
                f"{name!r} stands for every model of {deployment['name']!r}: ask for them as `{deployment['name']}/<model>`."
            )
            return
        if model not in deployment["models"]:
            deployment["models"].append(model)
        self._options(deployment, params)
        self._join(name, {"deployment": deployment["name"], "model": model}, params)
        access = (entry.get("model_info") or {}).get("access_groups")
        if isinstance(access, list):
            group = self.groups[name]
            group["access_groups"] = sorted({*group.get("access_groups", []), *map(str, access)})

    def _join(self, name: str, member: dict[str, Any], params: Mapping[str, Any]) -> None:
        """Makes a deployment's model a member of the group of that name."""
        weight = params.get("weight") or params.get("rpm") or params.get("tpm")
        if isinstance(weight, int | float) and weight > 0:
            member["weight"] = weight
        if isinstance(params.get("order"), int):
            member["order"] = params["order"]
        group = self.groups.setdefault(name, {"model": name, "members": []})
        if member not in group["members"]:
            group["members"].append(member)
        for limit in ("rpm", "tpm"):
            if limit in params:
                self.notes.append(
                    f"{name!r}: `{limit}` is used as a weight; limits are set on keys, people and groups here."
                )

    def _server(self, name: str, params: Mapping[str, Any]) -> tuple[str, str, str] | None:
        asked = str(params.get("model", ""))
        vendor, _, model = asked.partition("/")
        if not model:
            vendor, model = params.get("custom_llm_provider") or "openai", asked
        known = _BASES.get(str(vendor))
        if known is None:
            self.notes.append(
                f"{name!r} was left out: {vendor!r} is no vendor this can reach; add a server with OpenAI's protocol for it."
            )
            return None
        provider, default = known
        base = params.get("api_base") or params.get("base_url") or default
        if not base:
            self.notes.append(f"{name!r} was left out: it has no `api_base`.")
            return None
        unknown = sorted(set(params) - _KNOWN_PARAMS - {"custom_llm_provider"})
        if unknown:
            self.notes.append(f"{name!r}: {', '.join(unknown)} of `litellm_params` was left out.")
        return provider, _variable(str(base)).rstrip("/"), model

    def _deployment(self, provider: str, base: str, params: Mapping[str, Any]) -> dict[str, Any]:
        key = _variable(str(params.get("api_key") or ""))
        known = self.deployments.get((provider, base, key))
        if known is not None:
            return known
        vendor = str(params.get("model", "")).partition("/")[0] if "/" in str(params.get("model", "")) else "openai"
        stem = vendor.replace("_", "-").lower()
        names = {each["name"] for each in self.deployments.values()}
        name = next(each for each in (stem, *(f"{stem}-{number}" for number in range(2, 10_000))) if each not in names)
        made: dict[str, Any] = {"name": name, "provider": provider, "base_url": base, "models": []}
        if key:
            made["api_key"] = key
        self.deployments[provider, base, key] = made
        return made

    @staticmethod
    def _options(deployment: dict[str, Any], params: Mapping[str, Any]) -> None:
        options: dict[str, Any] = deployment.get("options", {})
        for theirs, ours in (
            ("timeout", "total_timeout_s"),
            ("stream_timeout", "first_token_timeout_s"),
            ("max_parallel_requests", "max_parallel"),
        ):
            value = params.get(theirs)
            if isinstance(value, int | float) and value > 0:
                options[ours] = value
        costs = {
            ours: round(params[theirs] * _PER_MILLION, 6)
            for theirs, ours in (
                ("input_cost_per_token", "input_usd"),
                ("output_cost_per_token", "output_usd"),
                ("cache_read_input_token_cost", "cached_input_usd"),
            )
            if isinstance(params.get(theirs), int | float)
        }
        if "input_usd" in costs:
            options["prices"] = costs
        if options:
            deployment["options"] = options

    def settings(self) -> None:
        """Takes in what holds for all models."""
        router, general = self._section("router_settings"), self._section("litellm_settings")
        strategy = router.get("routing_strategy")
        for group in self.groups.values():
            if strategy in _STRATEGIES:
                group["strategy"] = _STRATEGIES[strategy]
            retries = router.get("num_retries", general.get("num_retries"))
            if isinstance(retries, int) and 0 <= retries <= 10:  # noqa: PLR2004  what a group takes
                group["retries"] = retries
        if strategy is not None and strategy not in _STRATEGIES:
            self.notes.append(f"The strategy {strategy!r} is not there; models are chosen by weight.")
        for section in (router, general):
            for theirs, ours in _FALLBACKS.items():
                self._fallbacks(section.get(theirs), ours)
        self._names(router, general)
        self._cache(general)
        self._left_out(router, general)

    def _names(self, router: Mapping[str, Any], general: Mapping[str, Any]) -> None:
        """Takes in fallbacks of every model, and aliases."""
        for other in general.get("default_fallbacks") or ():
            for name, group in self.groups.items():
                if name != other:
                    _append(group.setdefault("fallbacks", {}).setdefault("on_error", []), other)
        for alias, model in (router.get("model_group_alias") or {}).items():
            target = model.get("model") if isinstance(model, Mapping) else model
            if target in self.groups:
                _append(self.groups[target].setdefault("aliases", []), alias)

    def _section(self, name: str) -> Mapping[str, Any]:
        value = self.config.get(name)
        return value if isinstance(value, Mapping) else {}

    def _fallbacks(self, listed: Any, ours: str) -> None:  # noqa: ANN401  whatever the file holds
        for pair in listed if isinstance(listed, Sequence) else ():
            for name, others in pair.items() if isinstance(pair, Mapping) else ():
                if name not in self.groups:
                    self.notes.append(f"Fallbacks of {name!r} were left out: there is no such model.")
                    continue
                for other in others if isinstance(others, list) else ():
                    if isinstance(other, str):
                        _append(self.groups[name].setdefault("fallbacks", {}).setdefault(ours, []), other)

    def _cache(self, general: Mapping[str, Any]) -> None:
        if not general.get("cache"):
            return
        params = general.get("cache_params") or {}
        is_semantic = "semantic" in str(params.get("type", ""))
        policy: dict[str, Any] = {"mode": "semantic" if is_semantic else "exact"}
        if isinstance(params.get("ttl"), int | float) and params["ttl"] >= 1:
            policy["ttl_s"] = int(params["ttl"])
        if is_semantic:
            policy["threshold"] = params.get("similarity_threshold", _DEFAULT_SEMANTIC)
        for group in self.groups.values():
            group["cache"] = policy
        self.notes.append(
            "Cached answers are kept apart by person here; set `is_shared` in a model group's `cache` to share them."
        )

    def _left_out(self, router: Mapping[str, Any], general: Mapping[str, Any]) -> None:
        taken = {
            "routing_strategy",
            "num_retries",
            "model_group_alias",
            "default_fallbacks",
            "cache",
            "cache_params",
            *_FALLBACKS,
        }
        for section, values in (("router_settings", router), ("litellm_settings", general)):
            others = sorted(set(values) - taken)
            if others:
                self.notes.append(f"`{section}`: {', '.join(others)} was left out.")
        for section in sorted(set(self.config) - {"model_list", "router_settings", "litellm_settings"}):
            self.notes.append(f"`{section}` was left out: keys, people and the server are set up in Alcove itself.")


def _variable(value: str) -> str:
    return f"${{{value.removeprefix(_VARIABLE)}}}" if value.startswith(_VARIABLE) else value


def _append(items: list[str], item: str) -> None:
    if item not in items:
        items.append(item)
