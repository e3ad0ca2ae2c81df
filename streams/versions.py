"""The versions in force at a place in the log: policy, rules and models."""

from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct

from credit.policy import Policy, load_policy
from detectors.anomaly import ROBUST_DISTANCE
from detectors.anomaly_model import AnomalyModel, decode_anomaly
from detectors.anomaly_score import anomaly_version
from detectors.default_risk import Model, ModelError, decode_model, encode_model
from detectors.envelope import EnvelopeError, Kind, open_envelope
from detectors.rule_loading import load_rules
from detectors.rules import RuleBook
from features.catalogue import FEATURE_VERSION
from ops.errors import FatalError
from streams.records import Artifacts

M = TypeVar("M", Model, AnomalyModel)


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
        self._shipped = genesis.model
        self._digests = {"policy": "", "rules": "", "model": "", "anomaly": ""}
        self.stamps: dict[str, str] = self._stamps()
        """What an output is stamped with, so that it can be computed again."""

    @property
    def anomaly_version(self) -> str:
        """Version of the anomaly score."""
        return anomaly_version(self.anomaly)

    def activate(self, kind: str, version: str, digest: str) -> EnvelopeError | None:
        """Put a published version in force, or say why a model is refused: then the old one stays.

        A policy or a rule file was checked when it was published: one that this code refuses stops
        scoring (``PolicyError``, ``RulesError``). Episodes of kinds that new rules lack stay open
        until the desk closes them.
        """
        raw = self._artifacts.get(kind, version, digest)
        if kind == "policy":
            self.policy = load_policy(raw.decode())
        elif kind == "rules":
            self.rules = load_rules(raw.decode())
        else:
            try:
                if kind == "anomaly":
                    self.anomaly = self._anomaly_of(version, raw)
                else:
                    self.model = self._model_of(version, raw)
            except EnvelopeError as refused:
                return refused
        self._digests[kind] = digest
        self.stamps = self._stamps()
        return None

    def _model_of(self, version: str, raw: bytes) -> Model:
        """A default-risk model of ours, checked whole. Raises ``EnvelopeError``."""
        if raw == encode_model(self._shipped):
            return self._shipped  # it came with the code, and needs no other signature
        return self._opened("default-risk", version, raw, decode_model)

    def _anomaly_of(self, version: str, raw: bytes) -> AnomalyModel | None:
        """An anomaly model of ours, checked whole, or None for the distance that ships with us."""
        if version == ROBUST_DISTANCE:
            return None
        return self._opened("anomaly", version, raw, decode_anomaly)

    def _opened(self, kind: Kind, version: str, raw: bytes, decode: Callable[[bytes], M]) -> M:
        """The payload of an envelope with its signature and name checked."""
        envelope = open_envelope(raw, self._artifacts.trusted, kind=kind, version=version)
        try:
            model = decode(bytes(envelope.payload))
        except ModelError as error:
            raise EnvelopeError("bad_payload", str(error)) from None
        if model.version != version:
            raise EnvelopeError(
                "other_version",
                f"the envelope of model {version!r} holds model {model.version!r}; publish each "
                "under its own name",
            )
        return model

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
        """Inverse of ``named``; versions are fetched again by their digests.

        Raises ``FatalError`` where a model that was in force is refused now: to go on with another
        would be other decisions than those that were made.
        """
        for kind, each in named.items():
            refused = self.activate(kind, each.version, each.digest) if each.digest else None
            if refused is not None:
                raise FatalError(
                    f"the checkpoint has model {each.version} in force, which is refused now "
                    f"({refused.reason}): {refused}"
                )

    def _stamps(self) -> dict[str, str]:
        return {
            "model_version": self.model.version,
            "policy_version": self.policy.version,
            "feature_version": FEATURE_VERSION,
            "rules_version": self.rules.version,
        }
