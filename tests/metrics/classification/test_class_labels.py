"""Class labels: WordNet ids, Kaggle's mapping, and names that several classes have."""

from __future__ import annotations

from pathlib import Path

import pytest

from metrics.classification.accuracy import class_indices, read_classes
from metrics.errors import InputError

# Indices of the published ImageNet list (its classes stand in the order of their WordNet ids).
CRANES = {"n02012849": 134, "n03126707": 517}
KNOWN = CRANES | {"n02963159": 474, "n02113186": 264, "n03710637": 638, "n03710721": 639}


def test_wordnet_ids_are_their_own_classes_whatever_the_names_say() -> None:
    labels = {wnid: wnid for wnid in KNOWN}
    names = dict.fromkeys(KNOWN, "crane")
    assert class_indices(labels, {}) == KNOWN
    assert class_indices(labels, names) == KNOWN


@pytest.mark.parametrize("name", ["crane", "Cardigan", "maillot"])
def test_a_name_of_two_classes_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"label '{name}' may be several classes .* by WordNet id"):
        class_indices({"a": name}, {})


def test_further_names_tell_classes_apart() -> None:
    names = {"dog": "Cardigan, Cardigan Welsh corgi", "swim": "maillot, tank suit"}
    assert class_indices({"a": "dog", "b": "swim"}, names) == {"a": 264, "b": 639}


def test_kaggles_mapping_with_spaces_is_read(tmp_path: Path) -> None:
    path = tmp_path / "LOC_synset_mapping.txt"
    path.write_text("n01440764 tench, Tinca tinca\nn01443537 goldfish, Carassius auratus\n")
    assert read_classes(path)["n01443537"] == "goldfish, Carassius auratus"
    path.write_text("tench Tinca\n")
    with pytest.raises(InputError, match="line 1 has one column"):
        read_classes(path)
