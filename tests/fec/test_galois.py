"""The field's laws, for every element, pair and triple: 256 products at a time, as rows of the table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidewire.fec.galois import EXP, LOG, POLYNOMIAL, TABLE, combination, inverse, invert, multiply

ALL = bytes(range(256))


def test_table_is_multiplication_of_polynomials() -> None:
    """Against the definition: shift and add, reduce by the polynomial."""
    for a in range(256):
        for b in range(256):
            product = 0
            for bit in range(8):
                if b >> bit & 1:
                    product ^= a << bit
            for bit in range(14, 7, -1):
                if product >> bit & 1:
                    product ^= POLYNOMIAL << bit - 8
            assert TABLE[a][b] == product == multiply(a, b)


def test_multiplication_commutes() -> None:
    assert all(TABLE[a][b] == TABLE[b][a] for a in range(256) for b in range(256))


def test_multiplication_associates() -> None:
    """(a b) c = a (b c) for all c at once."""
    for a in range(256):
        for b in range(256):
            assert TABLE[TABLE[a][b]] == TABLE[b].translate(TABLE[a])


def test_multiplication_distributes_over_addition() -> None:
    """a (b + c) = a b + a c for all c at once."""
    for a in range(256):
        row = int.from_bytes(TABLE[a], "big")
        for b in range(256):
            sums = bytes(b ^ c for c in ALL)
            spread = int.from_bytes(bytes([TABLE[a][b]]) * 256, "big")
            assert sums.translate(TABLE[a]) == (row ^ spread).to_bytes(256, "big")


def test_one_and_zero() -> None:
    assert TABLE[1] == ALL and TABLE[0] == bytes(256)


def test_every_element_but_zero_has_one_inverse() -> None:
    for a in range(1, 256):
        assert TABLE[a].count(1) == 1 and TABLE[a].index(1) == inverse(a)
        assert sorted(TABLE[a]) == list(ALL), "multiplication by it loses nothing"
    with pytest.raises(ZeroDivisionError):
        inverse(0)


def test_x_generates_every_element() -> None:
    assert sorted(EXP[:255]) == list(range(1, 256))
    assert all(EXP[LOG[a]] == a for a in range(1, 256))


def test_known_values() -> None:
    """Of this field, as klauspost/reedsolomon's galois_test.go has them."""
    assert multiply(3, 4) == 12 and multiply(7, 7) == 21 and multiply(23, 45) == 41


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(min_size=0, max_size=12)), max_size=6))
def test_combinations_are_byte_by_byte(terms: list[tuple[int, bytes]]) -> None:
    expected = bytearray(12)
    for coefficient, vector in terms:
        for index, byte in enumerate(vector):
            expected[index] ^= multiply(coefficient, byte)
    assert combination([a for a, _ in terms], [vector for _, vector in terms], 12) == bytes(expected)


def test_a_matrix_times_its_inverse() -> None:
    matrix = [[1, 2, 3], [4, 5, 6], [7, 8, 10]]
    back = invert(matrix)
    product = [
        [multiply(row[0], back[0][j]) ^ multiply(row[1], back[1][j]) ^ multiply(row[2], back[2][j]) for j in range(3)]
        for row in matrix
    ]
    assert product == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_pivots_are_found_below_and_singular_ones_refused() -> None:
    assert invert([[0, 1], [1, 0]]) == [[0, 1], [1, 0]]
    with pytest.raises(ZeroDivisionError):
        invert([[1, 2], [2, 4]])
