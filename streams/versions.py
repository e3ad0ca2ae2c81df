"""The versions in force at a place in the log: policy, rules and models."""

from msgspec import Struct

from credit.policy import Policy, load_policy
from detectors.anomaly import ROBUST_DISTANCE
from detectors.anomaly_model import AnomalyModel, decode_anomaly
from detectors.anomaly_score import anomaly_version
from detectors.default_risk import Model, ModelError, decode_model
from detectors.rule_loading import load_rules
from detectors.rules import RuleBook
from features.catalogue import FEATURE_VERSION
from streams.records import Artifacts


class Genesis(Struct, kw_only=True, frozen=True):
    """Versions in force at the start of the log, before any activation; shipped with the code."""

    policy_text: str
    rules_text: str
    model: Model


class Named(Struct, kw_only=True, frozen=True):
    """A version by its digest, as a checkpoint names it; the digest of genesis is empty."""

    version: str
    digest: str


class Versions:
    """Policy, rules and models; changed by activations alone.

    ``anomaly`` is None while the robust distance speaks for the anomaly models.
    """

    def __init__(self, artifacts: Artifacts, genesis: Genesis) -> None:
        self.policy: Policy = load_policy(genesis.policy_text)
        self.rules: RuleBook = load_rules(genesis.rules_text)
        self.model: Model = genesis.model
        self.anomaly: AnomalyModel | None = None
        self._artifacts = artifacts
        self._digests = {"policy": "", "rules": "", "model": "", "anomaly": ""}
        self.stamps: dict[str, str] = self._stamps()
        """What an output is stamped with, so that it can be computed again."""

    @property
    def anomaly_version(self) -> str:
        """Version of the anomaly score."""
        return anomaly_version(self.anomaly)

    def activate(self, kind: str, version: str, digest: str) -> bool:
        """Put a published version in force; False where this code cannot read a model.

        Then the old model stays. A policy or a rule file was checked when it was published: one
        that this code refuses stops scoring (``PolicyError``, ``RulesError``). Episodes of kinds
        that new rules lack stay open until the desk closes them.
        """
        raw = self._artifacts.get(kind, version, digest)
        if kind == "policy":
            self.policy = load_policy(raw.decode())
        elif kind == "rules":
            self.rules = load_rules(raw.decode())
        else:
            try:
                self._activate_model(kind, version, raw)
            except ModelError:
                return False
        self._digests[kind] = digest
        self.stamps = self._stamps()
        return True

    def _activate_model(self, kind: str, version: str, raw: bytes) -> None:
        if kind != "anomaly":
            self.model = decode_model(raw)
        elif version == ROBUST_DISTANCE:
            self.anomaly = None
        else:
            self.anomaly = decode_anomaly(raw)

    def kinds_without_rule(self) -> list[str]:
        """Kinds that the policy freezes on and the rules lack: no alert of theirs ever comes."""
        return [kind for kind in self.policy.freeze.critical_kinds if kind not in self.rules.kinds]

    def named(self) -> dict[str, Named]:
        """By kind, for a checkpoint."""
        versions = {
            "policy": self.policy.version,
            "rules": self.rules.version,
            "model": self.model.version,
            "anomaly": self.anomaly_version,
        }
        return {
            kind: Named(version=version, digest=self._digests[kind])
            for kind, version in versions.items()
        }

    def restore(self, named: dict[str, Named]) -> None:
        """Inverse of ``named``; versions are fetched again by their digests."""
        for kind, each in named.items():
            if each.digest:
                self.activate(kind, each.version, each.digest)

    def _stamps(self) -> dict[str, str]:
        return {
            "model_version": self.model.version,
            "policy_version": self.policy.version,
            "feature_version": FEATURE_VERSION,
            "rules_version": self.rules.version,
        }
