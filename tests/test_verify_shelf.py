"""`tools/verify_shelf.py` shortens networks to all their parts, and verifies what is the same once."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from resnet_dsl.shipped import shipped
from tools.verify_shelf import (
    FORWARD,
    PASSED,
    RANDOM,
    Outcome,
    digest_of,
    in_order,
    logged,
    outcome,
    page,
    shortened,
    table,
)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("resnet110", {"stages": (2, 2, 2)}),
        ("resnet20", {"stages": (2, 2, 2)}),
        ("densenet161", {"depths": (1, 1, 2, 1)}),
        ("lenet5", {}),
        ("vgg16_keras", {"stages": (2, 2, 2, 2, 2), "input": "3x32x32"}),
        ("resnext101_32x32d", {"stages": (2, 2, 2, 2), "base_width": 8}),
    ],
)
def test_a_network_is_shortened_to_all_its_parts_at_a_small_size(name: str, settings: object) -> None:
    assert shortened(name)[0] == settings


def test_what_is_the_same_after_shortening_is_known_and_what_only_looks_alike_is_not() -> None:
    digests = {name: digest_of(shortened(name)[1]) for name in ("resnet20", "resnet110", "resnet20_b")}
    assert digests["resnet20"] == digests["resnet110"] != digests["resnet20_b"]


def test_every_network_has_its_turn_and_relatives_come_late() -> None:
    names = in_order(shipped())
    assert sorted(names) == sorted(shipped())
    assert names.index("resnet18") < names.index("resnet34")


def found(name: str, forward: str, training: str = PASSED, same_as: str = "") -> Outcome:
    return Outcome(name, "as it is", 9, forward, training, {"float32": 1e-7}, 1.0, name, same_as)


def test_the_form_for_inference_is_held_against_the_network_without_training() -> None:
    whole, folded = (outcome("lenet5", {}, optimize) for optimize in (False, True))
    assert (whole.forward, whole.training, folded.forward, folded.training) == (
        PASSED, PASSED, PASSED, FORWARD,
    )  # fmt: skip
    assert folded.is_done
    assert "training" in whole.errors.keys() - folded.errors.keys()


def test_the_page_has_a_row_for_what_differs_and_says_how_many_it_stands_for() -> None:
    outcomes = [found("b", PASSED), found("c", PASSED, same_as="b"), found("a", "gone"), found("d", PASSED)]
    forms = [found("c", "far off", FORWARD), found("b", "far off", FORWARD, same_as="c")]
    forms.append(replace(found("d", PASSED, FORWARD), settings="first: 96", graph="narrow"))
    rows = page(outcomes, forms).splitlines()
    assert rows[-3:] == [
        "| `a` | as it is | 1 | 9 | gone | passed | - | 1.0e-07 | - | - | - | - |",
        "| `b` | as it is | 2 | 9 | passed | passed | - | 1.0e-07 | - | far off | - | 1.0e-07 |",
        "| `d` | as it is | 1 | 9 | passed | passed | - | 1.0e-07 | - | passed (first: 96) | - | 1.0e-07 |",
    ]
    assert any("3 networks, 2 of them different" in row and "2 did not" in row for row in rows)


def test_a_log_has_the_last_outcome_of_each_and_the_table_counts_them(tmp_path: Path) -> None:
    log = tmp_path / "log"
    lines = [
        found("a", "gone"),
        found("b", PASSED, RANDOM),
        found("c", PASSED, same_as="a"),
        found("a", PASSED),
    ]
    log.write_text("".join(json.dumps(asdict(each)) + "\n" for each in lines))
    outcomes = logged(log)
    assert {name: each.is_done for name, each in outcomes.items()} == {"a": True, "b": True, "c": True}
    assert not lines[0].is_done
    assert table(outcomes.values()).splitlines()[-1] == (
        "3 networks, 2 of them different as they were verified: forward 3 passed and 0 did not; "
        "in training 2 passed, 1 are random, 0 did not"
    )
