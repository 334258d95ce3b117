"""A priority queue from which items can be removed: the same as a sorted list."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip_stager.staging.lazy_heap import LazyHeap


@dataclass(eq=False)
class Item:
    key: int
    waiting: bool = True


@given(st.lists(st.tuples(st.sampled_from(["push", "pop", "remove"]), st.integers(0, 9))))
def test_items_leave_in_order_and_removed_ones_never(steps: list[tuple[str, int]]) -> None:
    heap, model = LazyHeap[Item](), list[Item]()
    for step, number in steps:
        if step == "push":
            item = Item(number)
            heap.push(number, item)
            model.append(item)
            model.sort(key=lambda item: item.key)  # stable: first in, first out within a key
        elif model and step == "pop":
            assert heap.first_key() == model[0].key
            assert heap.pop() is model.pop(0)
        elif model:
            model.pop(number % len(model)).waiting = False
            heap.count_dead()
        assert len(heap) == len(model)
        assert heap.entries <= 2 * len(model)
    assert heap.first_key() == (model[0].key if model else None)


def test_an_empty_heap_has_no_first_item() -> None:
    heap = LazyHeap[Item]()
    assert heap.first_key() is None
    with pytest.raises(IndexError):
        heap.pop()
