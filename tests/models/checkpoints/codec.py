"""Speech tokenizers of the 12 Hz kind with random weights: the decoder alone, or a folder as checkpoints have it.

As the package initialises them, half of a decoder is silent: codebooks are zero, and the layer scales and gammas that
training raises keep transformer and ConvNeXt blocks from being heard. Here all of it is audible, so that a state lost
anywhere shows; and gains are low enough for rounding to stay what it is.
"""

from pathlib import Path
from typing import Any

import torch

from services.tts.engines.qwen3.importing import qwen_tts

RELEASED: dict[str, Any] = {
    "codebook_dim": 512,
    "codebook_size": 2048,
    "decoder_dim": 1536,
    "head_dim": 64,
    "hidden_size": 512,
    "intermediate_size": 1024,
    "latent_dim": 1024,
    "num_attention_heads": 16,
    "num_hidden_layers": 8,
    "num_key_value_heads": 16,
    "num_quantizers": 16,
    "sliding_window": 72,
    "upsample_rates": (8, 5, 4, 3),
    "upsampling_ratios": (2, 2),
}
"""Sizes of Qwen3-TTS-Tokenizer-12Hz: 114 million weights in the decoder."""
TINY: dict[str, Any] = RELEASED | {
    "codebook_dim": 32,
    "decoder_dim": 32,
    "head_dim": 16,
    "hidden_size": 32,
    "intermediate_size": 64,
    "latent_dim": 32,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "num_key_value_heads": 2,
}
"""The same rates, window and codebooks; few channels."""
_ENCODER: dict[str, Any] = {
    "audio_channels": 1,
    "codebook_dim": 16,
    "codebook_size": 2048,
    "frame_rate": 12.5,
    "head_dim": 16,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 2,
    "num_filters": 4,
    "num_hidden_layers": 1,
    "num_key_value_heads": 2,
    "num_quantizers": 16,
    "num_residual_layers": 1,
    "num_semantic_quantizers": 1,
    "sampling_rate": 24000,
    "sliding_window": 250,
    "upsample_groups": 32,
    "upsampling_ratios": [8, 6, 5, 4],
    "vector_quantization_hidden_dimension": 16,
}
_GAIN = 0.6
"""Of each matrix and kernel, for inputs of unit variance. At 1 the decoder as a whole makes 1e-4 of float32's rounding."""
_LOUDNESS = 0.1
"""RMS of the audio of random codes."""


def make_decoder(seed: int = 0, **sizes: Any) -> Any:
    """A decoder in float32 on the CPU: `TINY`, but for the sizes given."""
    qwen_tts()
    from qwen_tts.core.tokenizer_12hz import (
        configuration_qwen3_tts_tokenizer_v2 as configuration,
    )
    from qwen_tts.core.tokenizer_12hz import modeling_qwen3_tts_tokenizer_v2 as modeling

    config = configuration.Qwen3TTSTokenizerV2DecoderConfig(**(TINY | sizes))
    decoder = modeling.Qwen3TTSTokenizerV2Decoder(config).eval()
    enliven(decoder, seed)
    return decoder


def make_speech_tokenizer(folder: Path, seed: int = 0) -> None:
    """A ``speech_tokenizer`` folder of a checkpoint: encoder, decoder and feature extractor."""
    qwen_tts()
    from qwen_tts.core import Qwen3TTSTokenizerV2Config, Qwen3TTSTokenizerV2Model
    from transformers import EncodecFeatureExtractor

    torch.manual_seed(seed)
    config = Qwen3TTSTokenizerV2Config(encoder_config=_ENCODER, decoder_config=TINY)
    model = Qwen3TTSTokenizerV2Model(config).eval()
    with torch.no_grad():
        for name, tensor in model.encoder.state_dict().items():
            if name.endswith("embed_sum"):
                tensor.normal_()
    enliven(model.decoder, seed)
    model.save_pretrained(folder)
    EncodecFeatureExtractor(
        feature_size=1,
        sampling_rate=24000,
        padding_value=0.0,
        return_attention_mask=True,
        padding_side="right",
    ).save_pretrained(folder)


def enliven(decoder: Any, seed: int) -> None:
    """Give a decoder random weights of which each is heard, and an audible, undistorted voice."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in decoder.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if name.endswith("embedding_sum"):
                weight.copy_(noise)
            elif name.endswith("cluster_usage"):
                weight.copy_(0.5 + noise.abs())
            elif name.endswith(("layer_scale.scale", "gamma")):
                weight.copy_(0.5 + 0.2 * noise)
            elif name.endswith(("alpha", "beta")):
                weight.copy_(0.3 * noise)
            elif name.endswith("bias"):
                weight.copy_(0.05 * noise)
            elif weight.ndim > 1:
                weight.copy_(_GAIN * noise / weight[0].numel() ** 0.5)
        config = decoder.config
        codes = torch.randint(
            config.codebook_size, (1, config.num_quantizers, 8), generator=generator
        )
        last = decoder.decoder[-1].conv
        last.bias.zero_()
        # Low enough that nothing of it is clipped.
        last.weight.mul_(1e-3)
        last.weight.mul_(_LOUDNESS / decoder(codes).std())
        last.bias.sub_(decoder(codes).mean())
