"""Why a transaction is refused.

The first group has the names and texts of BigchainDB 2.2.2; both are part of its
HTTP answers. The second group is ours: inputs that crash the reference, at once or
after it has accepted them, so that hardly any chain of its own can hold them.

`str(error)` is the text that a client sees. It is cut to a length that can be
logged and sent, and has no lone surrogate, so it can always be encoded.
"""

from __future__ import annotations

from typing import NamedTuple

MAX_TEXT = 2_000
"""Characters of a text that are kept: it may quote megabytes that a peer sent."""


class ValidationError(Exception):
    """A transaction is refused. Raised itself for a member's name or a `language`."""

    def __init__(self, text: str = "") -> None:
        encodable = text[:MAX_TEXT].encode("utf-8", "backslashreplace")
        super().__init__(encodable.decode("utf-8")[:MAX_TEXT])


class Refusal(NamedTuple):
    """An error to keep, and to raise later any number of times.

    An instance won't do: whenever it is raised its traceback grows, and refers to every frame
    that it passed, with the bytes that were examined.
    """

    kind: type[ValidationError]
    text: str

    @classmethod
    def of(cls, error: ValidationError) -> Refusal:
        """What to keep of an error."""
        return cls(type(error), str(error))

    def error(self) -> ValidationError:
        """A new instance of the error."""
        return self.kind(self.text)


class InvalidHash(ValidationError):
    """The id is missing, or not the hash of the rest."""


class SchemaValidationError(ValidationError):
    """The structure is not that of a transaction."""


class InvalidSignature(ValidationError):
    """A fulfillment cannot be read, or does not fulfill its condition."""


class InvalidPublicKey(ValidationError):
    """A key is not the base58 text of 32 bytes."""


class ThresholdTooDeep(ValidationError):
    """Conditions are nested in more than 99 thresholds."""


class AmountError(ValidationError):
    """An amount is out of range, or inputs and outputs do not balance."""


class DuplicateTransaction(ValidationError):
    """The transaction is already committed."""


class InputDoesNotExist(ValidationError):
    """An input spends an output of an unknown transaction."""


class DoubleSpend(ValidationError):
    """An output is already spent, or twice by one transaction."""


class AssetIdMismatch(ValidationError):
    """The inputs are not of the asset that the transaction names."""


class MultipleInputsError(ValidationError):
    """An election is not in the name of exactly one validator."""


class InvalidProposer(ValidationError):
    """An election is in the name of somebody who is not a validator."""


class UnequalValidatorSet(ValidationError):
    """The outputs of an election are not the validators and their powers."""


class InvalidPowerChange(ValidationError):
    """An election gives a validator a third of the power, or more."""


class MalformedTransaction(ValidationError):
    """Not a JSON object in UTF-8 with finite numbers and whole characters."""


class NestingTooDeep(ValidationError):
    """JSON is nested deeper than every process can handle."""


class IntegerOutOfRange(ValidationError):
    """An integer in `asset.data` or `metadata` does not fit into 64 bits.

    The reference accepts it and then cannot store the block that holds it.
    """


class SubnormalDouble(ValidationError):
    """A double is so close to zero that some processes read it as zero.

    Two processes of one reference node compute different ids for it.
    """


class OutputIndexOutOfRange(ValidationError):
    """An input spends an output that its transaction does not have."""


class FatalElection(ValidationError):
    """An election asks for a change of the validators that the engine would not survive.

    The reference accepts it, and the chain ends when the election concludes. Only posts and checks
    are refused for it, never a transaction in a block.
    """


class TooCostly(ValidationError):
    """Its signatures would take too long to verify.

    Only posts and checks are refused for it, never a transaction in a block.
    """
