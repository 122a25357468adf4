"""A selection and its filters are values."""

from __future__ import annotations

from trio_stream.stream.selection import Filters, Form, Selection, Stream

ID, OTHER = "01" * 32, "ab" * 32


def test_filters_are_values() -> None:
    one = Filters(asset_id=[ID, OTHER], operation=["CREATE"], public_key=[])
    same = Filters(operation=("CREATE",), asset_id={OTHER, ID})
    assert one == same and hash(one) == hash(same)
    assert one != Filters(asset_id=[ID]) and one != Filters()
    assert dict(one) == {"asset_id": {ID, OTHER}, "operation": {"CREATE"}}
    assert repr(Filters(operation=["VOTE", "CREATE"])) == (
        "Filters(operation=['CREATE', 'VOTE'])"
    )
    assert not Filters(asset_id=[])
    assert len({Selection(filters=one), Selection(filters=same), Selection()}) == 2


def test_selections_differ_by_stream_form_filters_and_empty_blocks() -> None:
    each_differs = [
        Selection(),
        Selection(Stream.VALID_BLOCKS),
        Selection(form=Form.FULL),
        Selection(filters=Filters(asset_id=[ID])),
        Selection(empty_blocks=True),
    ]
    assert len(set(each_differs)) == 5
