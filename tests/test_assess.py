"""How models lie on the shelf, decided from names and sizes alone."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from modelctl.assess import Assessment, Found, State, assess, known_sizes
from modelctl.manifest import bundled_folder, load_all
from modelctl.model import Model

MODELS = load_all((bundled_folder(),))
SIZES = known_sizes(MODELS.values())
PANNS = "Cnn14_mAP=0.431.pth"
AST_OLD, AST_NEW = 346_445_675, 346_404_948


def judge(name: str, found: Mapping[str, int]) -> Assessment:
    return assess(MODELS[name], [Found(path, size) for path, size in found.items()], SIZES)


@pytest.mark.parametrize(
    ("name", "found", "state"),
    [
        ("panns", {}, State.ABSENT),
        ("panns", {PANNS: 327_428_481}, State.PRESENT),
        ("panns", {PANNS: 1000}, State.PARTIAL),
        ("panns", {PANNS + ".part": 1000}, State.PARTIAL),
        ("panns", {PANNS: 400_000_000}, State.DAMAGED),
        ("panns", {PANNS: AST_OLD}, State.FOREIGN),
        ("panns", {"pytorch_model.pth": AST_OLD}, State.FOREIGN),
        ("panns", {"cnn14.pth": 327_428_481}, State.ABSENT),
        ("hubert", {"pytorch_model.pth": 1_200_000_000}, State.PARTIAL),
        ("panns", {"notes.txt": 12}, State.ABSENT),
        ("mert", {"pytorch_model.pth": 1_261_850_000}, State.PRESENT),
        ("mert", {"pytorch_model.bin": 1_261_850_000}, State.MISNAMED),
        ("mert", {"pytorch_model.pth": 380_000_000}, State.PARTIAL),
        ("ast", {"pytorch_model.pth": AST_OLD}, State.PRESENT),
        ("ast", {"model.safetensors": AST_NEW}, State.PRESENT),
        ("ast", {"pytorch_model.bin": AST_OLD}, State.MISNAMED),
        ("beats", {"BEATs_iter3_plus_AS2M.pt": 361_499_833}, State.MISNAMED),
        ("musicnn", {"MTT_musicnn.safetensors": 10}, State.PARTIAL),
    ],
)
def test_a_state_follows_from_names_and_sizes(name: str, found: dict[str, int], state: State) -> None:
    assert judge(name, found).state is state


def test_a_foreign_file_is_named_with_its_owner() -> None:
    assessment = judge("panns", {"pytorch_model.pth": AST_OLD})

    assert assessment.reasons == ("pytorch_model.pth has exactly the size of ast's pytorch_model.bin (346 MB)",)


def test_two_formats_of_the_same_weights_are_twins() -> None:
    assessment = judge("ast", {"pytorch_model.pth": AST_OLD, "model.safetensors": AST_NEW})

    assert assessment.state is State.PRESENT
    assert "pytorch_model.pth is a twin in another format (346 MB could be had back)" in assessment.reasons


def test_an_optional_file_is_not_missed() -> None:
    assert judge("mert", {"pytorch_model.pth": 1_261_850_000}).reasons == ()


def test_a_model_of_several_files_says_which_are_missing() -> None:
    assessment = judge("musicnn", {"MTT_vgg.safetensors": MODELS["musicnn"].files[2].expected_size})

    assert assessment.state is State.PARTIAL
    assert "MTT_musicnn.safetensors is missing" in assessment.reasons
    assert "MTT_vgg.safetensors is missing" not in assessment.reasons


def test_the_bytes_expected_are_those_of_the_variant_that_is_there() -> None:
    old = judge("ast", {"pytorch_model.pth": AST_OLD})
    new = judge("ast", {})

    assert old.bytes_expected - new.bytes_expected == AST_OLD - AST_NEW


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_fetched_shelf_is_present_and_an_empty_one_is_not(model: Model) -> None:
    """The contract of every manifest: what a fetch would bring is what status wants to see."""
    if model.location is None:
        return
    whole = {file.path: file.expected_size for file in model.wanted()}

    assert judge(model.name, whole).state is State.PRESENT
    assert judge(model.name, {}).state in (State.ABSENT, State.MANUAL)
    assert judge(model.name, whole).bytes_on_disk == judge(model.name, {}).bytes_expected
