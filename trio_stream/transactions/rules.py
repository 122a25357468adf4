"""When a transaction is valid, given what is committed.

The order of the checks is the reference's, since the first one that fails determines
the error. Structure has already been checked (`model.parse`). Only conditions determine
who has to sign: `owners_before` and `public_keys` are never compared with them. An
election names a validator as its owner, but anybody may sign it. A vote is a TRANSFER.

Blocks are judged as by the reference, or their hashes would differ. What has not come into a block
yet may be judged more strictly: nodes may differ in that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from trio_stream.transactions import base58
from trio_stream.transactions.candidate import Candidate
from trio_stream.transactions.costs import check_cost
from trio_stream.transactions.elections import Validator, change_of, why_fatal
from trio_stream.transactions.errors import (
    AmountError,
    AssetIdMismatch,
    DoubleSpend,
    DuplicateTransaction,
    FatalElection,
    InputDoesNotExist,
    InvalidPowerChange,
    InvalidProposer,
    InvalidSignature,
    MultipleInputsError,
    OutputIndexOutOfRange,
    SchemaValidationError,
    UnequalValidatorSet,
)
from trio_stream.transactions.model import Link, Transaction
from trio_stream.transactions.quoting import quote
from trio_stream.transactions.structure import CREATING, PLAIN, VALIDATOR_ELECTION

_SHOWN = 100
"""Characters of a value that an error shows."""


class SpendableOutput(NamedTuple):
    """What the rules need of an output; nothing can spend it if it has no condition."""

    asset_id: str
    amount: int
    condition_uri: str | None


class View(Protocol):
    """The state to validate against: what is committed, perhaps with a block so far.

    Ids are texts of any length, indexes go up to 2^64-1.
    """

    def has_transaction(self, transaction_id: str) -> bool:
        """Whether there is a transaction with this id."""

    def output(self, transaction_id: str, output_index: int) -> SpendableOutput | None:
        """The output, spent or not; None if the transaction or the index is unknown."""

    def spender(self, transaction_id: str, output_index: int) -> str | None:
        """The id of the transaction that spent this output, if one has."""

    def validators(self) -> Sequence[Validator]:
        """The newest committed set of validators, in force already or not."""


def validate(candidate: Candidate, view: View) -> Transaction:
    """The candidate's transaction, if it may be added to `view`.

    Raises the candidate's own error if it has one, else that of the first rule broken.
    """
    transaction = candidate.transaction
    if transaction is None:
        raise candidate.error or AssertionError
    if transaction.operation in CREATING:
        _validate_create(candidate, transaction, view)
        if transaction.operation not in PLAIN:
            _validate_election(transaction, view.validators())
    else:
        _validate_transfer(candidate, transaction, view)
    return transaction


def admit(candidate: Candidate, view: View) -> Transaction:
    """The candidate's transaction, if this node may help it into a block.

    Raises as `validate`, and refuses two things more that are valid in a block: `TooCostly`, and
    `FatalElection`. If such an election is in a block all the same, it does not conclude.
    """
    check_cost(candidate.transaction)
    transaction = validate(candidate, view)
    if transaction.operation == VALIDATOR_ELECTION:
        fatal = why_fatal(view.validators(), change_of(transaction.value))
        if fatal is not None:
            raise FatalElection(fatal)
    return transaction


def _validate_create(
    candidate: Candidate, transaction: Transaction, view: View
) -> None:
    if view.has_transaction(transaction.id):
        raise DuplicateTransaction(f"transaction `{transaction.id}` already exists")
    # Any fulfillment that is valid for its message will do: nothing is spent.
    if not candidate.is_fulfilled(0):
        raise InvalidSignature("Transaction signature is invalid.")


def _validate_election(
    transaction: Transaction, validators: Sequence[Validator]
) -> None:
    proposers = [key for each in transaction.inputs for key in each.owners_before]
    if len(proposers) != 1:
        text = "`tx_signers` must be a list instance of length one"
        raise MultipleInputsError(text)
    powers = {base58.encode(each.key): each.power for each in validators}
    if proposers[0] not in powers:
        raise InvalidProposer("Public key is not a part of the validator set")
    # A later output for the same key overrides an earlier one, whose tokens count all the same.
    tokens = {each.public_keys: each.amount for each in transaction.outputs}
    if tokens != {(key,): power for key, power in powers.items()}:
        text = "Validator set much be exactly same to the outputs of election"
        raise UnequalValidatorSet(text)
    if transaction.operation == VALIDATOR_ELECTION:
        _validate_change(transaction, validators)


def _validate_change(transaction: Transaction, validators: Sequence[Validator]) -> None:
    change = change_of(transaction.value)
    if not isinstance(change.power, (int, float)):
        shown = quote(change.power, _SHOWN)
        raise SchemaValidationError(f"{shown} is not of type 'number'")
    # In doubles, as in the reference; the comparison is exact.
    if change.power >= (1 / 3) * sum(each.power for each in validators):
        raise InvalidPowerChange("`power` change must be less than 1/3 of total power")


def _validate_transfer(
    candidate: Candidate, transaction: Transaction, view: View
) -> None:
    links = [each.fulfills for each in transaction.inputs if each.fulfills is not None]
    spent = [_unspent(link, view) for link in links]
    if len(set(links)) != len(links):
        raise DoubleSpend(f'tx "{transaction.id}" spends inputs twice')
    if len({output.asset_id for output in spent}) > 1:
        raise AssetIdMismatch(
            "All inputs of all transactions passed need to have the same asset id"
        )
    if spent[0].asset_id != transaction.asset_id:
        raise AssetIdMismatch(
            "The asset id of the input does not match the asset id of the transaction"
        )
    amount_in = sum(output.amount for output in spent)
    amount_out = sum(output.amount for output in transaction.outputs)
    if amount_in != amount_out:
        raise AmountError(
            f"The amount used in the inputs `{amount_in}` needs to be same as the "
            f"amount used in the outputs `{amount_out}`"
        )
    for index, output in enumerate(spent):
        if not candidate.fulfills(index, output.condition_uri):
            raise InvalidSignature("Transaction signature is invalid.")


def _unspent(link: Link, view: View) -> SpendableOutput:
    output = view.output(link.transaction_id, link.output_index)
    if output is None and not view.has_transaction(link.transaction_id):
        raise InputDoesNotExist(f"input `{link.transaction_id}` doesn't exist")
    if view.spender(link.transaction_id, link.output_index) is not None:
        raise DoubleSpend(f"input `{link.transaction_id}` was already spent")
    if output is None:
        raise OutputIndexOutOfRange(
            f"transaction `{link.transaction_id}` has no output {link.output_index}"
        )
    return output
