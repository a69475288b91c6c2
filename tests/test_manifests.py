"""What every manifest promises, tested by being there, and a few facts typed in again by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from modelctl import manifest, yamlfile
from modelctl.model import File, Model

FOLDER = manifest.bundled_folder()
MANIFESTS = manifest.manifests_in(FOLDER)
FIRST_LINE = "# yaml-language-server: $schema=schema.json"
NOT_PINNED = "not pinned"
HASH_WITHOUT_SIZE = {("encodec", "model.safetensors")}
"""The sources state the hash of these files, and none their size."""

every_manifest = pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    return manifest.load_all((FOLDER,))


def test_the_fourteen_ship(models: dict[str, Model]) -> None:
    fourteen = "ast audiomae beats clap encodec essentia hubert librosa mert musicnn opensmile panns vggish wav2vec2"
    assert list(models) == fourteen.split()


def test_the_json_schema_is_fresh() -> None:
    assert (FOLDER / "schema.json").read_bytes() == manifest.json_schema()


@every_manifest
def test_loads_under_its_own_name(path: Path) -> None:
    assert manifest.load(path).name == path.stem


@every_manifest
def test_its_first_line_names_the_schema(path: Path) -> None:
    assert path.read_text(encoding="utf-8").splitlines()[0] == FIRST_LINE


@every_manifest
def test_no_line_is_too_long_to_read(path: Path) -> None:
    assert max(len(line) for line in path.read_text(encoding="utf-8").splitlines()) <= 120


@every_manifest
def test_an_editor_reads_the_same_values(path: Path) -> None:
    assert yaml.safe_load(path.read_text(encoding="utf-8")) == yamlfile.read(path)


@every_manifest
def test_is_rated_for_genre_classification(path: Path) -> None:
    tasks = manifest.load(path).about.tasks
    assert "genre-classification" in tasks
    for task in tasks.values():
        assert 1 <= task.rating <= 5
        assert 1 <= task.rank <= 5
        assert task.reason


@every_manifest
def test_has_a_title_and_both_licences(path: Path) -> None:
    model = manifest.load(path)
    assert model.title
    assert model.licence.weights
    assert model.licence.code


@every_manifest
def test_says_what_it_wants_and_gives(path: Path) -> None:
    model = manifest.load(path)
    assert model.output.dim > 0
    assert model.output.frame_rate is None or model.output.frame_rate > 0
    assert (model.output.frame_rate is None) == (model.output.pooling == "none")
    assert model.input.sample_rate is None or model.input.sample_rate >= 8000
    assert model.input.min_samples > 0


@every_manifest
def test_its_default_layer_is_one_of_its_layers(path: Path) -> None:
    output = manifest.load(path).output
    if isinstance(output.layers, Mapping):
        assert isinstance(output.default_layer, str)
        assert output.layers[output.default_layer] == output.dim
    elif output.layers is None:
        assert output.default_layer is None
    else:
        assert output.default_layer in range(output.layers)


@every_manifest
def test_a_parameter_defaults_to_one_of_its_choices(path: Path) -> None:
    for parameter in manifest.load(path).parameters.values():
        assert not parameter.choices or parameter.default in parameter.choices


@every_manifest
def test_its_briefs_fit_a_table_and_its_issues_are_explained(path: Path) -> None:
    model = manifest.load(path)
    for issue in model.known_issues:
        assert 0 < len(issue.brief) <= 48
        assert issue.detail.endswith(".")
    for one in model.record_says:
        assert 0 < len(one.brief) <= 48
        assert one.field
        assert one.says != one.truth
    briefs = [issue.brief for issue in model.known_issues] + [one.brief for one in model.record_says]
    assert len(set(briefs)) == len(briefs)


@every_manifest
def test_a_library_has_no_place_on_the_shelf_and_a_checkpoint_has(path: Path) -> None:
    model = manifest.load(path)
    assert (model.location is None) == (model.bundled is not None)
    assert model.location is None or model.location.endswith("/")


@every_manifest
def test_what_is_fetched_from_the_hub_is_pinned(path: Path) -> None:
    model = manifest.load(path)
    admitted = any(NOT_PINNED in issue.brief for issue in model.known_issues)
    loose = [url for url in hub_urls(model) if not re.match(r"hf://(datasets/)?[^/@]+/[^/@]+@[0-9a-f]{40}/.", url)]
    assert bool(loose) == admitted, loose


@every_manifest
def test_a_renamed_file_says_what_it_was_called(path: Path) -> None:
    for file in manifest.load(path).files:
        names = source_names(file)
        assert not names or file.path in names or set(file.formerly) & names
        assert not file.path.endswith((".bin", ".pt"))


@every_manifest
def test_a_hash_comes_with_a_size_and_an_estimate_never_beside_one(path: Path) -> None:
    model = manifest.load(path)
    for file in model.files:
        assert (file.size is None) != (file.approx_size is None)
        assert file.sha256 is None or file.size is not None or (model.name, file.path) in HASH_WITHOUT_SIZE


@every_manifest
def test_each_variant_has_weights_and_something_is_not_optional(path: Path) -> None:
    model = manifest.load(path)
    needed = {file.variant for file in model.files if not file.optional}
    assert {file.variant for file in model.files if file.variant} <= needed
    assert bool(needed) == (model.bundled is None)


def test_no_two_models_share_a_place(models: dict[str, Model]) -> None:
    places = [model.location.casefold() for model in models.values() if model.location]
    assert len(set(places)) == len(places)


def test_the_record_s_places_are_kept(models: dict[str, Model]) -> None:
    assert {
        name: models[name].location for name in ("vggish", "mert", "clap", "encodec", "ast", "hubert", "panns")
    } == {
        "vggish": "VGGish/",
        "mert": "MERT/MERT-v1-330M/",
        "clap": "CLAP/larger_clap_music/",
        "encodec": "EnCodec/encodec_24khz/",
        "ast": "AST/ast-finetuned-audioset/",
        "hubert": "HuBERT/hubert-large-ll60k/",
        "panns": "PANNs/cnn14/",
    }


def test_genre_classification_is_ranked_and_rated_as_in_the_record(models: dict[str, Model]) -> None:
    tasks = {name: model.about.tasks["genre-classification"] for name, model in models.items()}
    assert {
        name: (task.rank, task.rating) for name, task in tasks.items() if "not in the record" not in task.reason
    } == {
        "mert": (1, 4),
        "clap": (2, 3),
        "musicnn": (3, 5),
        "vggish": (4, 2),
        "ast": (4, 2),
        "panns": (4, 2),
        "hubert": (5, 1),
        "encodec": (5, 1),
    }


@pytest.mark.parametrize(
    ("name", "sample_rate", "min_samples", "dim", "layers"),
    [
        ("vggish", 16000, 15600, 128, None),
        ("mert", 24000, 400, 1024, 25),
        ("clap", 48000, 480, 512, {"projection": 512, "pooled": 1024}),
        ("encodec", 24000, 320, 128, None),
        ("ast", 16000, 400, 768, 13),
        ("hubert", 16000, 400, 1024, 25),
        ("panns", 32000, 9920, 2048, {"embedding": 2048, "clipwise_output": 527}),
        ("beats", 16000, 2800, 768, 12),
        ("audiomae", 16000, 2800, 768, 12),
        ("wav2vec2", 16000, 400, 1024, 25),
        ("essentia", 44100, 22050, 1050, None),
        ("librosa", None, 2048, 518, None),
        ("opensmile", 16000, 4000, 88, None),
    ],
)
def test_input_and_output_are_those_of_the_facts(
    models: dict[str, Model],
    name: str,
    sample_rate: int | None,
    min_samples: int,
    dim: int,
    layers: int | Mapping[str, int] | None,
) -> None:
    model = models[name]
    assert (model.input.sample_rate, model.input.min_samples) == (sample_rate, min_samples)
    assert (model.output.dim, model.output.layers) == (dim, layers)


@pytest.mark.parametrize(
    ("name", "path", "size", "sha256"),
    [
        (
            "vggish",
            "vggish-10086976.pth",
            288_567_937,
            "10086976245803799d9194e9a73d9b6c1549c71d1b80106f5cade5608a561f4b",
        ),
        ("clap", "pytorch_model.pth", 776_444_665, "5c289311f4a030d768af7ffbfdecd01b008aa64824211899a4e59f4f9d154fd1"),
        ("encodec", "model.safetensors", None, "37a7cb100f71a29e6c1d815aca8666a1d7ea8885ebe44c306c751a5103559d57"),
        ("ast", "model.safetensors", 346_404_948, "ae0c1e2ad4e1381d851fa9bf298ba13ebc9c5a914cdee2dbe427a6583869924d"),
        ("ast", "pytorch_model.pth", 346_445_675, "9ca280ba0276a0d2243f7dd561c72b10cc7c3955a2b1f12e42e93983f24b8ca4"),
        (
            "panns",
            "Cnn14_mAP=0.431.pth",
            327_428_481,
            "0dc499e40e9761ef5ea061ffc77697697f277f6a960894903df3ada000e34b31",
        ),
        (
            "beats",
            "BEATs_iter3_plus_AS2M.pth",
            361_499_833,
            "d43cbfad4d7b56381c061d7a24774f908d4d94c72961f6eb1d9090ff18cd8d34",
        ),
        ("mert", "pytorch_model.pth", None, None),
        ("hubert", "pytorch_model.pth", None, None),
        ("wav2vec2", "pytorch_model.pth", None, None),
    ],
)
def test_sizes_and_hashes_are_those_of_the_facts(
    models: dict[str, Model], name: str, path: str, size: int | None, sha256: str | None
) -> None:
    file = next(file for file in models[name].files if file.path == path)
    assert (file.size, file.sha256) == (size, sha256)


def test_safetensors_come_first_where_their_hash_is_known(models: dict[str, Model]) -> None:
    assert models["ast"].variants == ("safetensors", "torch")
    assert models["encodec"].variants == ("safetensors", "torch")


def test_beats_has_three_mirrors_and_panns_two_addresses(models: dict[str, Model]) -> None:
    assert len(models["beats"].files[0].urls) == 3
    assert len(models["panns"].files[0].urls) == 2


def test_musicnn_comes_out_of_the_wheel(models: dict[str, Model]) -> None:
    musicnn = models["musicnn"]
    wheel = musicnn.archives["wheel"]
    assert wheel.size == 29_292_476
    assert wheel.sha256 == "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa"
    assert musicnn.parameters["checkpoint"].choices == tuple(file.path.split(".")[0] for file in musicnn.files)
    assert musicnn.input.min_samples == (187 - 1) * 256
    assert musicnn.output.dim == 753
    assert musicnn.output.frame_rate == pytest.approx(16000 / (187 * 256))


def hub_urls(model: Model) -> list[str]:
    return [url for file in model.files for url in file.urls if url.startswith("hf://")]


def source_names(file: File) -> set[str]:
    """Return the names that the file's addresses give it; Zenodo's API ends them in `/content`."""
    paths = [unquote(urlsplit(url).path).removesuffix("/content") for url in file.urls if not url.startswith("manual:")]
    return {PurePosixPath(path).name for path in paths}
