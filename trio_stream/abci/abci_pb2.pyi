import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OldRequest(_message.Message):
    __slots__ = (
        "echo",
        "flush",
        "info",
        "set_option",
        "init_chain",
        "query",
        "begin_block",
        "check_tx",
        "end_block",
        "commit",
        "deliver_tx",
    )
    ECHO_FIELD_NUMBER: _ClassVar[int]
    FLUSH_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    SET_OPTION_FIELD_NUMBER: _ClassVar[int]
    INIT_CHAIN_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    BEGIN_BLOCK_FIELD_NUMBER: _ClassVar[int]
    CHECK_TX_FIELD_NUMBER: _ClassVar[int]
    END_BLOCK_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    DELIVER_TX_FIELD_NUMBER: _ClassVar[int]
    echo: EchoBody
    flush: EmptyBody
    info: InfoRequest
    set_option: EmptyBody
    init_chain: InitChainRequest
    query: QueryRequest
    begin_block: BeginBlockRequest
    check_tx: CheckTxRequest
    end_block: EndBlockRequest
    commit: EmptyBody
    deliver_tx: TxRequest
    def __init__(
        self,
        echo: _Optional[_Union[EchoBody, _Mapping]] = ...,
        flush: _Optional[_Union[EmptyBody, _Mapping]] = ...,
        info: _Optional[_Union[InfoRequest, _Mapping]] = ...,
        set_option: _Optional[_Union[EmptyBody, _Mapping]] = ...,
        init_chain: _Optional[_Union[InitChainRequest, _Mapping]] = ...,
        query: _Optional[_Union[QueryRequest, _Mapping]] = ...,
        begin_block: _Optional[_Union[BeginBlockRequest, _Mapping]] = ...,
        check_tx: _Optional[_Union[CheckTxRequest, _Mapping]] = ...,
        end_block: _Optional[_Union[EndBlockRequest, _Mapping]] = ...,
        commit: _Optional[_Union[EmptyBody, _Mapping]] = ...,
        deliver_tx: _Optional[_Union[TxRequest, _Mapping]] = ...,
    ) -> None: ...

class NewRequest(_message.Message):
    __slots__ = (
        "echo",
        "flush",
        "info",
        "set_option",
        "init_chain",
        "query",
        "begin_block",
        "check_tx",
        "deliver_tx",
        "end_block",
        "commit",
        "list_snapshots",
        "offer_snapshot",
        "load_snapshot_chunk",
        "apply_snapshot_chunk",
        "prepare_proposal",
        "process_proposal",
        "extend_vote",
        "verify_vote_extension",
        "finalize_block",
        "insert_tx",
        "reap_txs",
    )
    ECHO_FIELD_NUMBER: _ClassVar[int]
    FLUSH_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    SET_OPTION_FIELD_NUMBER: _ClassVar[int]
    INIT_CHAIN_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    BEGIN_BLOCK_FIELD_NUMBER: _ClassVar[int]
    CHECK_TX_FIELD_NUMBER: _ClassVar[int]
    DELIVER_TX_FIELD_NUMBER: _ClassVar[int]
    END_BLOCK_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    LIST_SNAPSHOTS_FIELD_NUMBER: _ClassVar[int]
    OFFER_SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    LOAD_SNAPSHOT_CHUNK_FIELD_NUMBER: _ClassVar[int]
    APPLY_SNAPSHOT_CHUNK_FIELD_NUMBER: _ClassVar[int]
    PREPARE_PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    PROCESS_PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    EXTEND_VOTE_FIELD_NUMBER: _ClassVar[int]
    VERIFY_VOTE_EXTENSION_FIELD_NUMBER: _ClassVar[int]
    FINALIZE_BLOCK_FIELD_NUMBER: _ClassVar[int]
    INSERT_TX_FIELD_NUMBER: _ClassVar[int]
    REAP_TXS_FIELD_NUMBER: _ClassVar[int]
    echo: EchoBody
    flush: EmptyBody
    info: InfoRequest
    set_option: EmptyBody
    init_chain: InitChainRequest
    query: QueryRequest
    begin_block: BeginBlockRequest
    check_tx: CheckTxRequest
    deliver_tx: TxRequest
    end_block: EndBlockRequest
    commit: EmptyBody
    list_snapshots: EmptyBody
    offer_snapshot: OfferSnapshotRequest
    load_snapshot_chunk: LoadSnapshotChunkRequest
    apply_snapshot_chunk: ApplySnapshotChunkRequest
    prepare_proposal: PrepareProposalRequest
    process_proposal: EmptyBody
    extend_vote: EmptyBody
    verify_vote_extension: EmptyBody
    finalize_block: FinalizeBlockRequest
    insert_tx: TxRequest
    reap_txs: EmptyBody
    def __init__(
        self,
        echo: _Optional[_Union[EchoBody, _Mapping]] = ...,
        flush: _Optional[_Union[EmptyBody, _Mapping]] = ...,
        info: _Optional[_Union[InfoRequest, _Mapping]] = ...,
        set_option: _Optional[_Union[EmptyBody, _Mapping]] = ...,
        init_chain: _Optional[_Union[InitChainRequest, _Mapping]] = ...,
        query: _Optional[_Union[QueryRequest, _Mapping]] = ...,
        begin_block: _Optional[_Union[BeginBlockRequest, _Mapping]] = ...,
        check_tx: _Optional[_Union[CheckTxRequest, _Mapping]] = ...,
        deliver_tx: _Optional[_Union[TxRequest, _Mapping]] = ...,
        end_block: _Optional[_Union[EndBlockRequest, _Mapping]] = ...,
        commit: _Optional[_Union[EmptyBody, _Mapping]] = ...,
        list_snapshots: _Optional[_Union[EmptyBody, _Mapping]] = ...,
        offer_snapshot: _Optional[_Union[OfferSnapshotRequest, _Mapping]] = ...,
        load_snapshot_chunk: _Optional[
            _Union[LoadSnapshotChunkRequest, _Mapping]
        ] = ...,
        apply_snapshot_chunk: _Optional[
            _Union[ApplySnapshotChunkRequest, _Mapping]
        ] = ...,
        prepare_proposal: _Optional[_Union[PrepareProposalRequest, _Mapping]] = ...,
        process_proposal: _Optional[_Union[EmptyBody, _Mapping]] = ...,
        extend_vote: _Optional[_Union[EmptyBody, _Mapping]] = ...,
        verify_vote_extension: _Optional[_Union[EmptyBody, _Mapping]] = ...,
        finalize_block: _Optional[_Union[FinalizeBlockRequest, _Mapping]] = ...,
        insert_tx: _Optional[_Union[TxRequest, _Mapping]] = ...,
        reap_txs: _Optional[_Union[EmptyBody, _Mapping]] = ...,
    ) -> None: ...

class Response(_message.Message):
    __slots__ = (
        "exception",
        "echo",
        "flush",
        "info",
        "set_option",
        "init_chain",
        "query",
        "begin_block",
        "check_tx",
        "deliver_tx",
        "end_block",
        "commit",
        "list_snapshots",
        "offer_snapshot",
        "load_snapshot_chunk",
        "apply_snapshot_chunk",
        "prepare_proposal",
        "process_proposal",
        "extend_vote",
        "verify_vote_extension",
        "finalize_block",
        "insert_tx",
        "reap_txs",
    )
    EXCEPTION_FIELD_NUMBER: _ClassVar[int]
    ECHO_FIELD_NUMBER: _ClassVar[int]
    FLUSH_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    SET_OPTION_FIELD_NUMBER: _ClassVar[int]
    INIT_CHAIN_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    BEGIN_BLOCK_FIELD_NUMBER: _ClassVar[int]
    CHECK_TX_FIELD_NUMBER: _ClassVar[int]
    DELIVER_TX_FIELD_NUMBER: _ClassVar[int]
    END_BLOCK_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    LIST_SNAPSHOTS_FIELD_NUMBER: _ClassVar[int]
    OFFER_SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    LOAD_SNAPSHOT_CHUNK_FIELD_NUMBER: _ClassVar[int]
    APPLY_SNAPSHOT_CHUNK_FIELD_NUMBER: _ClassVar[int]
    PREPARE_PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    PROCESS_PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    EXTEND_VOTE_FIELD_NUMBER: _ClassVar[int]
    VERIFY_VOTE_EXTENSION_FIELD_NUMBER: _ClassVar[int]
    FINALIZE_BLOCK_FIELD_NUMBER: _ClassVar[int]
    INSERT_TX_FIELD_NUMBER: _ClassVar[int]
    REAP_TXS_FIELD_NUMBER: _ClassVar[int]
    exception: ExceptionBody
    echo: EchoBody
    flush: EmptyBody
    info: InfoResponse
    set_option: EmptyBody
    init_chain: InitChainResponse
    query: EmptyBody
    begin_block: EmptyBody
    check_tx: TxResult
    deliver_tx: TxResult
    end_block: EndBlockResponse
    commit: CommitResponse
    list_snapshots: ListSnapshotsResponse
    offer_snapshot: VerdictResponse
    load_snapshot_chunk: LoadSnapshotChunkResponse
    apply_snapshot_chunk: ApplySnapshotChunkResponse
    prepare_proposal: TxsResponse
    process_proposal: VerdictResponse
    extend_vote: EmptyBody
    verify_vote_extension: VerdictResponse
    finalize_block: FinalizeBlockResponse
    insert_tx: TxResult
    reap_txs: TxsResponse
    def __init__(
        self,
        exception: _Optional[_Union[ExceptionBody, _Mapping]] = ...,
        echo: _Optional[_Union[EchoBody, _Mapping]] = ...,
        flush: _Optional[_Union[EmptyBody, _Mapping]] = ...,
        info: _Optional[_Union[InfoResponse, _Mapping]] = ...,
        set_option: _Optional[_Union[EmptyBody, _Mapping]] = ...,
        init_chain: _Optional[_Union[InitChainResponse, _Mapping]] = ...,
        query: _Optional[_Union[EmptyBody, _Mapping]] = ...,
        begin_block: _Optional[_Union[EmptyBody, _Mapping]] = ...,
        check_tx: _Optional[_Union[TxResult, _Mapping]] = ...,
        deliver_tx: _Optional[_Union[TxResult, _Mapping]] = ...,
        end_block: _Optional[_Union[EndBlockResponse, _Mapping]] = ...,
        commit: _Optional[_Union[CommitResponse, _Mapping]] = ...,
        list_snapshots: _Optional[_Union[ListSnapshotsResponse, _Mapping]] = ...,
        offer_snapshot: _Optional[_Union[VerdictResponse, _Mapping]] = ...,
        load_snapshot_chunk: _Optional[
            _Union[LoadSnapshotChunkResponse, _Mapping]
        ] = ...,
        apply_snapshot_chunk: _Optional[
            _Union[ApplySnapshotChunkResponse, _Mapping]
        ] = ...,
        prepare_proposal: _Optional[_Union[TxsResponse, _Mapping]] = ...,
        process_proposal: _Optional[_Union[VerdictResponse, _Mapping]] = ...,
        extend_vote: _Optional[_Union[EmptyBody, _Mapping]] = ...,
        verify_vote_extension: _Optional[_Union[VerdictResponse, _Mapping]] = ...,
        finalize_block: _Optional[_Union[FinalizeBlockResponse, _Mapping]] = ...,
        insert_tx: _Optional[_Union[TxResult, _Mapping]] = ...,
        reap_txs: _Optional[_Union[TxsResponse, _Mapping]] = ...,
    ) -> None: ...

class EmptyBody(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class EchoBody(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: str
    def __init__(self, message: _Optional[str] = ...) -> None: ...

class PublicKey(_message.Message):
    __slots__ = ("first", "second", "bls12381", "mldsa65", "secp256k1eth")
    FIRST_FIELD_NUMBER: _ClassVar[int]
    SECOND_FIELD_NUMBER: _ClassVar[int]
    BLS12381_FIELD_NUMBER: _ClassVar[int]
    MLDSA65_FIELD_NUMBER: _ClassVar[int]
    SECP256K1ETH_FIELD_NUMBER: _ClassVar[int]
    first: bytes
    second: bytes
    bls12381: bytes
    mldsa65: bytes
    secp256k1eth: bytes
    def __init__(
        self,
        first: _Optional[bytes] = ...,
        second: _Optional[bytes] = ...,
        bls12381: _Optional[bytes] = ...,
        mldsa65: _Optional[bytes] = ...,
        secp256k1eth: _Optional[bytes] = ...,
    ) -> None: ...

class ValidatorUpdate(_message.Message):
    __slots__ = ("pub_key", "power", "pub_key_bytes", "pub_key_type")
    PUB_KEY_FIELD_NUMBER: _ClassVar[int]
    POWER_FIELD_NUMBER: _ClassVar[int]
    PUB_KEY_BYTES_FIELD_NUMBER: _ClassVar[int]
    PUB_KEY_TYPE_FIELD_NUMBER: _ClassVar[int]
    pub_key: PublicKey
    power: int
    pub_key_bytes: bytes
    pub_key_type: str
    def __init__(
        self,
        pub_key: _Optional[_Union[PublicKey, _Mapping]] = ...,
        power: _Optional[int] = ...,
        pub_key_bytes: _Optional[bytes] = ...,
        pub_key_type: _Optional[str] = ...,
    ) -> None: ...

class Snapshot(_message.Message):
    __slots__ = ("height", "format", "chunks", "hash", "metadata")
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    height: int
    format: int
    chunks: int
    hash: bytes
    metadata: bytes
    def __init__(
        self,
        height: _Optional[int] = ...,
        format: _Optional[int] = ...,
        chunks: _Optional[int] = ...,
        hash: _Optional[bytes] = ...,
        metadata: _Optional[bytes] = ...,
    ) -> None: ...

class InfoRequest(_message.Message):
    __slots__ = ("version", "block_version", "p2p_version", "abci_version")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    BLOCK_VERSION_FIELD_NUMBER: _ClassVar[int]
    P2P_VERSION_FIELD_NUMBER: _ClassVar[int]
    ABCI_VERSION_FIELD_NUMBER: _ClassVar[int]
    version: str
    block_version: int
    p2p_version: int
    abci_version: str
    def __init__(
        self,
        version: _Optional[str] = ...,
        block_version: _Optional[int] = ...,
        p2p_version: _Optional[int] = ...,
        abci_version: _Optional[str] = ...,
    ) -> None: ...

class InitChainRequest(_message.Message):
    __slots__ = ("time", "chain_id", "validators", "app_state_bytes", "initial_height")
    TIME_FIELD_NUMBER: _ClassVar[int]
    CHAIN_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATORS_FIELD_NUMBER: _ClassVar[int]
    APP_STATE_BYTES_FIELD_NUMBER: _ClassVar[int]
    INITIAL_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    time: _timestamp_pb2.Timestamp
    chain_id: str
    validators: _containers.RepeatedCompositeFieldContainer[ValidatorUpdate]
    app_state_bytes: bytes
    initial_height: int
    def __init__(
        self,
        time: _Optional[
            _Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]
        ] = ...,
        chain_id: _Optional[str] = ...,
        validators: _Optional[_Iterable[_Union[ValidatorUpdate, _Mapping]]] = ...,
        app_state_bytes: _Optional[bytes] = ...,
        initial_height: _Optional[int] = ...,
    ) -> None: ...

class QueryRequest(_message.Message):
    __slots__ = ("data", "path")
    DATA_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    path: str
    def __init__(
        self, data: _Optional[bytes] = ..., path: _Optional[str] = ...
    ) -> None: ...

class Header(_message.Message):
    __slots__ = (
        "chain_id",
        "height",
        "time",
        "last_block_id",
        "app_hash",
        "app_hash_to_0_32",
    )
    CHAIN_ID_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_BLOCK_ID_FIELD_NUMBER: _ClassVar[int]
    APP_HASH_FIELD_NUMBER: _ClassVar[int]
    APP_HASH_TO_0_32_FIELD_NUMBER: _ClassVar[int]
    chain_id: str
    height: int
    time: _timestamp_pb2.Timestamp
    last_block_id: bytes
    app_hash: bytes
    app_hash_to_0_32: bytes
    def __init__(
        self,
        chain_id: _Optional[str] = ...,
        height: _Optional[int] = ...,
        time: _Optional[
            _Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]
        ] = ...,
        last_block_id: _Optional[bytes] = ...,
        app_hash: _Optional[bytes] = ...,
        app_hash_to_0_32: _Optional[bytes] = ...,
    ) -> None: ...

class BeginBlockRequest(_message.Message):
    __slots__ = ("header",)
    HEADER_FIELD_NUMBER: _ClassVar[int]
    header: Header
    def __init__(self, header: _Optional[_Union[Header, _Mapping]] = ...) -> None: ...

class CheckTxRequest(_message.Message):
    __slots__ = ("tx", "type", "type_v1")
    TX_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TYPE_V1_FIELD_NUMBER: _ClassVar[int]
    tx: bytes
    type: int
    type_v1: int
    def __init__(
        self,
        tx: _Optional[bytes] = ...,
        type: _Optional[int] = ...,
        type_v1: _Optional[int] = ...,
    ) -> None: ...

class TxRequest(_message.Message):
    __slots__ = ("tx",)
    TX_FIELD_NUMBER: _ClassVar[int]
    tx: bytes
    def __init__(self, tx: _Optional[bytes] = ...) -> None: ...

class EndBlockRequest(_message.Message):
    __slots__ = ("height",)
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    height: int
    def __init__(self, height: _Optional[int] = ...) -> None: ...

class PrepareProposalRequest(_message.Message):
    __slots__ = ("max_tx_bytes", "txs")
    MAX_TX_BYTES_FIELD_NUMBER: _ClassVar[int]
    TXS_FIELD_NUMBER: _ClassVar[int]
    max_tx_bytes: int
    txs: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(
        self, max_tx_bytes: _Optional[int] = ..., txs: _Optional[_Iterable[bytes]] = ...
    ) -> None: ...

class FinalizeBlockRequest(_message.Message):
    __slots__ = ("txs", "height", "time", "syncing_to_height")
    TXS_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    SYNCING_TO_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    txs: _containers.RepeatedScalarFieldContainer[bytes]
    height: int
    time: _timestamp_pb2.Timestamp
    syncing_to_height: int
    def __init__(
        self,
        txs: _Optional[_Iterable[bytes]] = ...,
        height: _Optional[int] = ...,
        time: _Optional[
            _Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]
        ] = ...,
        syncing_to_height: _Optional[int] = ...,
    ) -> None: ...

class OfferSnapshotRequest(_message.Message):
    __slots__ = ("snapshot", "app_hash")
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    APP_HASH_FIELD_NUMBER: _ClassVar[int]
    snapshot: Snapshot
    app_hash: bytes
    def __init__(
        self,
        snapshot: _Optional[_Union[Snapshot, _Mapping]] = ...,
        app_hash: _Optional[bytes] = ...,
    ) -> None: ...

class LoadSnapshotChunkRequest(_message.Message):
    __slots__ = ("height", "format", "chunk")
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    height: int
    format: int
    chunk: int
    def __init__(
        self,
        height: _Optional[int] = ...,
        format: _Optional[int] = ...,
        chunk: _Optional[int] = ...,
    ) -> None: ...

class ApplySnapshotChunkRequest(_message.Message):
    __slots__ = ("index", "chunk", "sender")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    index: int
    chunk: bytes
    sender: str
    def __init__(
        self,
        index: _Optional[int] = ...,
        chunk: _Optional[bytes] = ...,
        sender: _Optional[str] = ...,
    ) -> None: ...

class ExceptionBody(_message.Message):
    __slots__ = ("error",)
    ERROR_FIELD_NUMBER: _ClassVar[int]
    error: str
    def __init__(self, error: _Optional[str] = ...) -> None: ...

class InfoResponse(_message.Message):
    __slots__ = (
        "data",
        "version",
        "app_version",
        "last_block_height",
        "last_block_app_hash",
    )
    DATA_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    APP_VERSION_FIELD_NUMBER: _ClassVar[int]
    LAST_BLOCK_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    LAST_BLOCK_APP_HASH_FIELD_NUMBER: _ClassVar[int]
    data: str
    version: str
    app_version: int
    last_block_height: int
    last_block_app_hash: bytes
    def __init__(
        self,
        data: _Optional[str] = ...,
        version: _Optional[str] = ...,
        app_version: _Optional[int] = ...,
        last_block_height: _Optional[int] = ...,
        last_block_app_hash: _Optional[bytes] = ...,
    ) -> None: ...

class InitChainResponse(_message.Message):
    __slots__ = ("validators", "app_hash")
    VALIDATORS_FIELD_NUMBER: _ClassVar[int]
    APP_HASH_FIELD_NUMBER: _ClassVar[int]
    validators: _containers.RepeatedCompositeFieldContainer[ValidatorUpdate]
    app_hash: bytes
    def __init__(
        self,
        validators: _Optional[_Iterable[_Union[ValidatorUpdate, _Mapping]]] = ...,
        app_hash: _Optional[bytes] = ...,
    ) -> None: ...

class TxResult(_message.Message):
    __slots__ = ("code", "log")
    CODE_FIELD_NUMBER: _ClassVar[int]
    LOG_FIELD_NUMBER: _ClassVar[int]
    code: int
    log: str
    def __init__(
        self, code: _Optional[int] = ..., log: _Optional[str] = ...
    ) -> None: ...

class EndBlockResponse(_message.Message):
    __slots__ = ("validator_updates",)
    VALIDATOR_UPDATES_FIELD_NUMBER: _ClassVar[int]
    validator_updates: _containers.RepeatedCompositeFieldContainer[ValidatorUpdate]
    def __init__(
        self,
        validator_updates: _Optional[
            _Iterable[_Union[ValidatorUpdate, _Mapping]]
        ] = ...,
    ) -> None: ...

class CommitResponse(_message.Message):
    __slots__ = ("data", "retain_height")
    DATA_FIELD_NUMBER: _ClassVar[int]
    RETAIN_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    retain_height: int
    def __init__(
        self, data: _Optional[bytes] = ..., retain_height: _Optional[int] = ...
    ) -> None: ...

class ListSnapshotsResponse(_message.Message):
    __slots__ = ("snapshots",)
    SNAPSHOTS_FIELD_NUMBER: _ClassVar[int]
    snapshots: _containers.RepeatedCompositeFieldContainer[Snapshot]
    def __init__(
        self, snapshots: _Optional[_Iterable[_Union[Snapshot, _Mapping]]] = ...
    ) -> None: ...

class LoadSnapshotChunkResponse(_message.Message):
    __slots__ = ("chunk",)
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    chunk: bytes
    def __init__(self, chunk: _Optional[bytes] = ...) -> None: ...

class ApplySnapshotChunkResponse(_message.Message):
    __slots__ = ("result", "refetch_chunks", "reject_senders")
    RESULT_FIELD_NUMBER: _ClassVar[int]
    REFETCH_CHUNKS_FIELD_NUMBER: _ClassVar[int]
    REJECT_SENDERS_FIELD_NUMBER: _ClassVar[int]
    result: int
    refetch_chunks: _containers.RepeatedScalarFieldContainer[int]
    reject_senders: _containers.RepeatedScalarFieldContainer[str]
    def __init__(
        self,
        result: _Optional[int] = ...,
        refetch_chunks: _Optional[_Iterable[int]] = ...,
        reject_senders: _Optional[_Iterable[str]] = ...,
    ) -> None: ...

class VerdictResponse(_message.Message):
    __slots__ = ("verdict",)
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    verdict: int
    def __init__(self, verdict: _Optional[int] = ...) -> None: ...

class TxsResponse(_message.Message):
    __slots__ = ("txs",)
    TXS_FIELD_NUMBER: _ClassVar[int]
    txs: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, txs: _Optional[_Iterable[bytes]] = ...) -> None: ...

class FinalizeBlockResponse(_message.Message):
    __slots__ = ("tx_results", "validator_updates", "app_hash")
    TX_RESULTS_FIELD_NUMBER: _ClassVar[int]
    VALIDATOR_UPDATES_FIELD_NUMBER: _ClassVar[int]
    APP_HASH_FIELD_NUMBER: _ClassVar[int]
    tx_results: _containers.RepeatedCompositeFieldContainer[TxResult]
    validator_updates: _containers.RepeatedCompositeFieldContainer[ValidatorUpdate]
    app_hash: bytes
    def __init__(
        self,
        tx_results: _Optional[_Iterable[_Union[TxResult, _Mapping]]] = ...,
        validator_updates: _Optional[
            _Iterable[_Union[ValidatorUpdate, _Mapping]]
        ] = ...,
        app_hash: _Optional[bytes] = ...,
    ) -> None: ...
