"""Symbolic sizes against plain integer arithmetic: compositions, equality, periods, formulas and words."""

import re
from collections.abc import Callable
from functools import partial, reduce
from math import lcm, prod

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from resnet_dsl.ir.ops import CATALOGUE, Join
from resnet_dsl.ir.shapes import Extent, Shape, ShapeError
from resnet_dsl.ir.sizes import PERIOD_LIMIT, Size, first_difference, same, when_different

few = partial(settings, deadline=None)
HEIGHT = Size("H")
Step = tuple[str, tuple[int, ...]]

# What each method is for an integer. `window_ceil` as torch counts: rounded up, without a last
# window that starts at or past the map and the padding before it.
ARITHMETIC: dict[str, Callable[..., int]] = {
    "window": lambda n, span, stride, padding: (n + padding - span) // stride + 1,
    "window_ceil": lambda n, span, stride, before, after: (
        lambda last: last + 1 if last * stride < n + before else last
    )(-((span - before - after - n) // stride)),
    "ceil": lambda n, stride: -(-n // stride),
    "plus": lambda n, amount: n + amount,
    "times": lambda n, factor: factor * n,
}


def steps(strides: int = 4) -> st.SearchStrategy[Step]:
    """One method and its arguments, of the kind that ops give."""
    stride, span = st.integers(1, strides), st.integers(1, 7)
    half = span.flatmap(
        lambda k: st.tuples(st.just(k), stride, st.integers(0, k // 2), st.integers(0, k // 2))
    )
    return st.one_of(
        st.tuples(st.just("window"), st.tuples(span, stride, st.integers(0, 8))),
        st.tuples(st.just("window_ceil"), half),
        st.tuples(st.just("ceil"), st.tuples(stride)),
        st.tuples(st.just("plus"), st.tuples(st.integers(0, 6))),
        st.tuples(st.just("times"), st.tuples(st.integers(1, strides))),
    )


chains = st.lists(steps(), max_size=6)
short_chains = st.lists(steps(strides=3), max_size=4)
starts = st.sampled_from([Size("H"), Size("W"), Size(None, 1), Size(None, 7)])


def symbolic(chain: list[Step], start: Size = HEIGHT) -> Size:
    return reduce(lambda size, step: getattr(size, step[0])(*step[1]), chain, start)


def plain(chain: list[Step], n: int) -> int:
    return reduce(lambda value, step: ARITHMETIC[step[0]](value, *step[1]), chain, n)


def rewritten(step: Step) -> list[list[Step]]:
    """Other ways to write a step that mean the same for every extent."""
    match step:
        case ("ceil", (stride,)):
            return [[("window", (5, stride, 4))], [("window", (1, stride, 0))],
                    [("window_ceil", (stride, stride, 0, 0))]]  # fmt: skip
        case ("times", (factor,)):
            return [[("times", (factor * 3,)), ("ceil", (3,))], [("times", (factor,)), ("times", (1,))]]
        case ("window", (span, stride, padding)):
            return [[("plus", (padding,)), ("window", (span, stride, 0))],
                    [("window", (span, 1, padding)), ("ceil", (stride,))]]  # fmt: skip
        case ("plus", (amount,)):
            return [[("times", (2,)), ("plus", (2 * amount,)), ("window", (2, 2, 0))]]
        case _:
            return []


def brute_reach(*all_steps: list[Step]) -> int:
    """A common period, from the strides alone: a chain's divides the product of what it divides by."""
    strides = [prod(args[1] for name, args in chain if name.startswith("window"))
               * prod(args[0] for name, args in chain if name == "ceil") for chain in all_steps]  # fmt: skip
    return lcm(*strides)


# --- one size ----------------------------------------------------------------------------------


@given(chains, starts)
@few(max_examples=150)
def test_a_composition_is_that_of_integers_for_every_extent(chain, start):
    size = symbolic(chain, start)
    for n in (*range(130), 223, 224, 1023, 10**9 + 7):
        assert size.at(n) == plain(chain, start.at(n))


@given(st.integers(1, 40), st.integers(1, 7), st.integers(1, 5), st.data())
@few(max_examples=100)
def test_windows_are_counted_as_they_are_laid(n, span, stride, data):
    before, after = (data.draw(st.integers(0, span // 2)) for _ in range(2))
    assume(n + before + after >= span)
    size, end = Size("H"), n + before + after
    inside = [first for first in range(0, end, stride) if first + span <= end]
    assert size.window(span, stride, before + after).at(n) == len(inside)
    # One more where cells are left over, if it starts before the padding behind.
    left = inside[-1] + span < end and inside[-1] + stride < n + before
    assert size.window_ceil(span, stride, before, after).at(n) == len(inside) + left
    assert size.ceil(stride).at(n) == len(range(0, n, stride))


@given(chains, starts)
@few(max_examples=100)
def test_a_formula_has_the_value_of_its_size(chain, start):
    size = symbolic(chain, start)
    for n in (0, 1, 2, 3, 17, 31, 224, 225):
        assert eval(size.formula, {"H": n, "W": n}) == size.at(n)


def test_formulas_are_short():
    size = Size("H")
    assert size.formula == "H"
    assert size.window(3, 2, 2).formula == "(H+1)//2"
    assert size.window(7, 2, 6).window(3, 2, 2).formula == "(H+3)//4"
    assert size.ceil(8).times(2).formula == "2*((H+7)//8)"
    assert size.ceil(8).times(2).ceil(2) == size.ceil(8)
    assert size.times(2).plus(2).formula == "(2*H+2)"
    assert size.times(2).plus(2).window(2, 2, 0).formula == "(H+1)"
    assert Size(None, 7).window(3, 2, 2).formula == "4"


@given(chains)
@few(max_examples=100)
def test_a_size_grows_by_its_cycle(chain):
    size = symbolic(chain)
    period, growth = size.cycle
    assert all(size.at(n + period) == size.at(n) + growth for n in range(min(2 * period, 200)))


def test_a_size_without_an_extent_is_known_only_where_it_is_constant():
    assert Size("H").ceil(2).times(3).at(None) is None
    assert Size(None, 7).ceil(2).times(3).at(None) == 12


# --- two sizes ---------------------------------------------------------------------------------


@given(short_chains, short_chains)
@few(max_examples=150)
def test_sizes_are_the_same_if_they_are_equal_for_every_extent(one, other):
    a, b = symbolic(one), symbolic(other)
    reach = brute_reach(one, other)
    # Both grow by a constant every `reach` extents: equal over two of them is equal for ever.
    assert same(a, b) == all(plain(one, n) == plain(other, n) for n in range(2 * reach))
    assert same(a, b) == same(b, a)


@given(short_chains, st.data())
@few(max_examples=150)
def test_what_is_written_in_another_way_is_the_same(chain, data):
    other = [part for step in chain for part in data.draw(st.sampled_from([[step], *rewritten(step)]))]
    a, b = symbolic(chain), symbolic(other)
    assume(lcm(a.cycle[0], b.cycle[0]) <= PERIOD_LIMIT)
    assert same(a, b)
    assert not same(a, b.plus(1))


def test_a_height_is_never_the_same_as_a_width_or_a_number():
    assert not same(Size("H"), Size("W"))
    assert not same(Size("H").ceil(32), Size(None, 1))
    assert same(Size(None, 1), Size(None, 1))


@given(short_chains, short_chains, st.integers(1, 300))
@few(max_examples=100)
def test_the_first_difference_is_the_first(one, other, start):
    a, b = symbolic(one), symbolic(other)
    found = first_difference(a, b, start)
    reach = range(start, start + 2 * brute_reach(one, other))
    assert found == next((n for n in reach if plain(one, n) != plain(other, n)), None)


def fails(words: str, n: int) -> bool:
    """What a reader takes `words` to say of an extent."""
    match words.split(maxsplit=1):
        case [kind, _] if kind in ("odd", "even"):
            return n % 2 == (kind == "odd")
    numbers = [int(number) for number in re.findall(r"\d+", words)]
    if " to " in words:
        return not numbers[0] <= n <= numbers[1]
    if words.startswith("all"):
        return n not in numbers
    *rests, modulus = numbers
    return n % modulus in rests if "leave" in words else n % modulus != 0


@given(short_chains, short_chains)
@few(max_examples=150)
def test_the_words_for_a_difference_are_true_of_every_extent(one, other):
    a, b = symbolic(one), symbolic(other)
    assume(not same(a, b))
    words = when_different(a, b)
    assume("…" not in words)
    for n in range(1, 400):
        assert fails(words, n) == (plain(one, n) != plain(other, n)), words


def test_words_for_differences():
    size = Size("H")
    assert when_different(size.ceil(2), size.window(2, 2, 0)) == "odd heights"
    assert when_different(Size("W").ceil(4), Size("W").window(4, 4, 0)) == "widths not divisible by 4"
    assert when_different(size, size.plus(1)) == "all heights"
    assert when_different(size, size.times(2)) == "all heights"
    assert when_different(size.plus(5), size.times(2)) == "all heights but 5"
    assert when_different(size.window(32, 32, 0), Size(None, 1)) == "all heights but 32 to 63"
    assert when_different(Size(None, 3), Size(None, 4)) == "all sizes"


def test_sizes_of_too_long_a_period_are_called_different():
    """The comparison is bounded: a text cannot make the compiler count for long."""
    a = Size("H").ceil(67).times(2).ceil(61 * 3)
    b = Size("H").ceil(67).times(4).ceil(61 * 6)
    assert not same(a, b.plus(1))
    assert when_different(a, b.plus(1)) == "some heights"


# --- joins -------------------------------------------------------------------------------------


@pytest.mark.parametrize("join", [op() for op in CATALOGUE.values() if issubclass(op, Join)], ids=str)
@pytest.mark.parametrize("turned", [False, True])
def test_an_axis_that_differs_here_counts_before_one_that_differs_elsewhere(join: Join, turned: bool) -> None:
    thirds = Size("H").window(3, 3, 2), Size("W").window(3, 3, 2)
    fixed = Size(None, 3 if turned else 4), Size(None, 4 if turned else 3)
    with pytest.raises(ShapeError):  # at 11x12 both thirds are 4
        join.shape(Shape(2, thirds), Shape(2, fixed), extent=Extent(11, 12))
