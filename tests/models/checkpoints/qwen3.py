"""Qwen3-TTS checkpoints with random weights: the released ones' classes, files and special codes.

In miniature on disk, for tests; in full size in memory, for measurements.
"""

import json
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import AutoConfig, AutoProcessor

from services.tts.engines.qwen3.importing import qwen_tts
from tests.models.checkpoints import codec
from tests.models.checkpoints import qwen3_dimensions as dimensions
from tests.models.checkpoints.cached import cached

KINDS = ("custom_voice", "voice_design", "base")
SMALL, LARGE = "0b6", "1b7"
_SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<tts_pad>",
    "<tts_text_bos>",
    "<tts_text_eod>",
)
_SENTENCES = (
    "Hello, how are you today? This is a test of the speech service.",
    "The quick brown fox jumps over the lazy dog. One two three four five six seven eight nine ten.",
)
_GENERATION = {
    "do_sample": True,
    "repetition_penalty": 1.05,
    "temperature": 0.9,
    "top_p": 1.0,
    "top_k": 50,
    "subtalker_dosample": True,
    "subtalker_temperature": 0.9,
    "subtalker_top_p": 1.0,
    "subtalker_top_k": 50,
    "max_new_tokens": 2048,
}


def tiny(
    kind: str = "custom_voice", size: str = SMALL, end_after: int | None = 30
) -> Path:
    """A folder that ``Qwen3TTSModel.from_pretrained`` loads, made now if it is not there.

    Args:
        kind: one of `KINDS`.
        size: what the checkpoint says that it is; the dimensions are the same.
        end_after: frames after which a sampled line ends on average; None: it does not.
    """
    make = partial(_make, kind=kind, size=size, end_after=end_after)
    return cached(
        f"qwen3-{kind}-{size}-{end_after}",
        (__file__, dimensions.__file__, codec.__file__),
        make,
    )


def full_size(size: str = SMALL, device: str = "cpu", dtype: Any = None) -> Any:
    """A ``Qwen3TTSModel`` of the custom-voice kind in the released dimensions, its weights random.

    What it says is noise that never ends.
    """
    package = qwen_tts()
    from qwen_tts.core import Qwen3TTSTokenizerV2Config, Qwen3TTSTokenizerV2Model
    from qwen_tts.core.models import Qwen3TTSForConditionalGeneration

    talker = {**dimensions.FULL, **(dimensions.WIDER if size == LARGE else {})}
    dtype = dtype or torch.float32
    with tempfile.TemporaryDirectory() as folder:
        ids, _ = _make_tokenizer(Path(folder))
        config = _config("custom_voice", size, ids, 151_936, talker)
        config.save_pretrained(folder)
        processor = _processor(package, Path(folder))
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            model = Qwen3TTSForConditionalGeneration._from_config(
                config, attn_implementation="sdpa"
            )
            speech = Qwen3TTSTokenizerV2Model._from_config(
                Qwen3TTSTokenizerV2Config(decoder_config=codec.RELEASED),
                attn_implementation="sdpa",
            )
    finally:
        torch.set_default_dtype(before)
    codec.enliven(speech.decoder, seed=0)
    with torch.no_grad():
        model.talker.codec_head.weight[dimensions.END] = 0.0
    tokenizer = package.Qwen3TTSTokenizer()
    tokenizer.model = speech.eval().requires_grad_(False)
    tokenizer.config, tokenizer.device = speech.config, speech.device
    model.load_speech_tokenizer(tokenizer)
    model.load_generate_config(_GENERATION)
    model.eval().requires_grad_(False)
    return package.Qwen3TTSModel(model, processor, _GENERATION)


def _make(folder: Path, kind: str, size: str, end_after: int | None) -> None:
    qwen_tts()
    from qwen_tts.core.models import Qwen3TTSForConditionalGeneration

    folder.mkdir()
    ids, vocabulary = _make_tokenizer(folder)
    torch.manual_seed(0)
    model = Qwen3TTSForConditionalGeneration(
        _config(kind, size, ids, vocabulary, dimensions.TINY)
    ).eval()
    with torch.no_grad():
        _enliven(model.talker, end_after)
    model.save_pretrained(folder)
    _drop_unknown_keys(folder / "config.json")
    (folder / "generation_config.json").write_text(json.dumps(_GENERATION))
    codec.make_speech_tokenizer(folder / "speech_tokenizer")


def _config(
    kind: str, size: str, ids: dict[str, int], vocabulary: int, talker: dict[str, Any]
) -> Any:
    from qwen_tts.core.models import Qwen3TTSConfig

    custom = kind == "custom_voice"
    hidden = talker["hidden_size"]
    encoder = {
        "enc_dim": hidden,
        "enc_channels": [16, 16, 16, 16, 48],
        "enc_attention_channels": 8,
        "enc_res2net_scale": 4,
        "enc_se_channels": 8,
    }
    predictor = {
        "vocab_size": dimensions.CODES,
        "num_code_groups": 16,
        "rope_theta": 1_000_000,
        "max_position_embeddings": 65_536,
        **talker["code_predictor_config"],
    }
    return Qwen3TTSConfig(
        tokenizer_type="qwen3_tts_tokenizer_12hz",
        tts_model_size=size,
        tts_model_type=kind,
        im_start_token_id=ids["<|im_start|>"],
        im_end_token_id=ids["<|im_end|>"],
        tts_pad_token_id=ids["<tts_pad>"],
        tts_bos_token_id=ids["<tts_text_bos>"],
        tts_eos_token_id=ids["<tts_text_eod>"],
        speaker_encoder_config=encoder if kind == "base" else {},
        talker_config={
            "vocab_size": 3072,
            "text_vocab_size": vocabulary,
            "num_code_groups": 16,
            "rope_theta": 1_000_000,
            "max_position_embeddings": 32_768,
            "position_id_per_seconds": 13,
            "pad_token_id": None,
            "codec_bos_id": 2149,
            "codec_eos_token_id": dimensions.END,
            "codec_pad_id": 2148,
            "codec_think_id": 2154,
            "codec_nothink_id": 2155,
            "codec_think_bos_id": 2156,
            "codec_think_eos_id": 2157,
            "codec_language_id": dimensions.LANGUAGES,
            "spk_id": dimensions.SPEAKERS if custom else {},
            "spk_is_dialect": {
                name: dimensions.DIALECTS.get(name, False)
                for name in dimensions.SPEAKERS
            }
            if custom
            else {},
            **talker,
            "code_predictor_config": predictor,
        },
    )


def _enliven(talker: Any, end_after: int | None) -> None:
    """Spread the weights out, so that codes depend on what came before, and let lines end."""
    drawn = torch.Generator().manual_seed(0)
    for name, weight in talker.named_parameters():
        if weight.ndim == 2:
            spread = 1.0 if "embedding" in name else weight.shape[1] ** -0.5
            weight.copy_(torch.randn(weight.shape, generator=drawn) * spread)
    head = talker.codec_head.weight
    head.mul_(1.5)
    x = torch.randn(4, 64, head.shape[1], generator=drawn)
    states = talker.model(inputs_embeds=x).last_hidden_state.reshape(-1, x.shape[-1])
    likeliest = (states @ head[: dimensions.CODES].T / 0.9).topk(50, -1).values
    mean = states.mean(0)
    if end_after is None:
        wanted = 0.0  # far from the likeliest
    else:
        chance = torch.log(torch.tensor(1.0 / max(2, end_after - 1)))
        wanted = float(0.9 * (likeliest.logsumexp(-1).mean() + chance))
        wanted = max(wanted, float(0.9 * likeliest[:, -1].mean()))
    head[dimensions.END] = mean / mean.dot(mean) * wanted


def _make_tokenizer(folder: Path) -> tuple[dict[str, int], int]:
    """Ids of the special tokens, and the size of the vocabulary."""
    tokenizer = ByteLevelBPETokenizer()
    texts = ["assistant\n", "user\n"] * 200 + list(_SENTENCES) * 20
    tokenizer.train_from_iterator(
        texts, vocab_size=400, min_frequency=2, show_progress=False
    )
    tokenizer.save_model(str(folder))
    count = tokenizer.get_vocab_size()
    ids = {token: count + place for place, token in enumerate(_SPECIAL)}
    flags = dict.fromkeys(("lstrip", "normalized", "rstrip", "single_word"), False)
    added = {
        str(place): {"content": token, "special": True, **flags}
        for token, place in ids.items()
    }
    config = {
        "add_bos_token": False,
        "add_prefix_space": False,
        "added_tokens_decoder": added,
        "additional_special_tokens": list(_SPECIAL[1:]),
        "bos_token": None,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>",
        "errors": "replace",
        "model_max_length": 131_072,
        "pad_token": "<|endoftext|>",
        "processor_class": "Qwen3TTSProcessor",
        "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    processor = {"processor_class": "Qwen3TTSProcessor"}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return ids, count + len(_SPECIAL)


def _processor(package: Any, folder: Path) -> Any:
    from qwen_tts.core.models import Qwen3TTSConfig, Qwen3TTSProcessor

    AutoConfig.register("qwen3_tts", Qwen3TTSConfig, exist_ok=True)
    AutoProcessor.register(Qwen3TTSConfig, Qwen3TTSProcessor, exist_ok=True)
    return AutoProcessor.from_pretrained(str(folder), fix_mistral_regex=True)


def _drop_unknown_keys(path: Path) -> None:
    """The released configuration has no more of the speaker encoder than its class takes."""
    config = json.loads(path.read_text())
    known = (
        "mel_dim",
        "enc_dim",
        "enc_channels",
        "enc_kernel_sizes",
        "enc_dilations",
        "enc_attention_channels",
        "enc_res2net_scale",
        "enc_se_channels",
        "sample_rate",
    )
    encoder = config["speaker_encoder_config"]
    config["speaker_encoder_config"] = {
        key: encoder[key] for key in known if key in encoder
    }
    path.write_text(json.dumps(config))
