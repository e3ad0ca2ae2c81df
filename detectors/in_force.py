"""Which version the workers truly use: the stamps on assessments say it, also after a roll-back.

The learner reads assessments only. Every partition gets the same activations in the same order, so
one partition is witness enough: the first whose assessments are stamped with the champion. From
then on, another stamp of that partition is a version put in force over the champion's head.
A version that is rolled back before any merchant was assessed under it is not noticed; nothing was
decided with it either, and the next promotion ends the difference.
"""

import msgspec
from msgspec import Struct

from detectors.default_risk import PRIOR_MODEL, Model, ModelError, decode_model, encode_model

VERSIONS_KEPT = 16
"""Own versions that a roll-back can be followed to; the prior always is one."""
KEY = b"in-force"
_VERSION_PREFIX = b"version/"


class _State(Struct):
    witness: int | None = None
    published: int = 0


class InForce:
    """The witness, and the latest versions by name."""

    def __init__(self) -> None:
        self._state = _State()
        self._versions: dict[int, Model] = {}
        self._changed: dict[bytes, bytes] = {}

    def published(self, model: Model) -> None:
        """A new champion, which no partition has shown yet."""
        slot = self._state.published % VERSIONS_KEPT
        self._versions[slot] = model
        self._changed[_VERSION_PREFIX + b"%d" % slot] = encode_model(model)
        self._state.published += 1
        self._set_witness(None)

    def hear(self, partition: int, stamped: str, champion: str) -> bool:
        """Whether an assessment shows that another version than the champion was put in force.

        ``stamped`` is the version that the assessment was made with.
        """
        if stamped != champion:
            return partition == self._state.witness
        if self._state.witness is None:
            self._set_witness(partition)
        return False

    def find(self, version: str) -> Model | None:
        """A version that the contest can go back to; None is not ours, or too old.

        Then the witness is released: only a stamp of the champion makes another one.
        """
        found = [m for m in (PRIOR_MODEL, *self._versions.values()) if m.version == version]
        if not found:
            self._set_witness(None)
            return None
        return found[0]

    def dirty(self) -> list[tuple[bytes, bytes]]:
        """Items that changed since the last call."""
        items = list(self._changed.items())
        self._changed.clear()
        return items

    def restore(self, key: bytes, raw: bytes) -> bool:
        """Take one item of the state; False if it is not one of these."""
        if key == KEY:
            self._state = msgspec.msgpack.decode(raw, type=_State)
        elif key.startswith(_VERSION_PREFIX):
            try:
                self._versions[int(key.removeprefix(_VERSION_PREFIX))] = decode_model(raw)
            except ModelError:
                return True  # of an older release's features: no way back to it
        else:
            return False
        return True

    def _set_witness(self, partition: int | None) -> None:
        self._state.witness = partition
        self._changed[KEY] = msgspec.msgpack.encode(self._state)
