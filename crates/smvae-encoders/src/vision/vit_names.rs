//! Names of a vision transformer's tensors in transformers (ViT, CLIP) and torchvision, brought to
//! those of timm.
//!
//! `vit` knows only the names of timm; query, key and value it also takes one by one.

/// Tensors that are not part of the image tower, or that only its classifiers and poolers need.
const LEFT_OUT: [&str; 12] = [
    "classifier.",
    "head.",
    "heads.",
    "pooler.",
    "fc_norm.",
    "text_model.",
    "text_projection.",
    "visual_projection.",
    "logit_scale",
    "embeddings.mask_token",
    "embeddings.position_ids",
    "decoder.",
];

/// Names outside of layers: of transformers' ViT, of its CLIP, of torchvision.
const SINGLE: [(&str, &str); 15] = [
    ("embeddings.cls_token", "cls_token"),
    ("embeddings.position_embeddings", "pos_embed"),
    ("embeddings.patch_embeddings.projection.weight", "patch_embed.proj.weight"),
    ("embeddings.patch_embeddings.projection.bias", "patch_embed.proj.bias"),
    ("layernorm.weight", "norm.weight"),
    ("layernorm.bias", "norm.bias"),
    ("embeddings.class_embedding", "cls_token"),
    ("embeddings.position_embedding.weight", "pos_embed"),
    ("embeddings.patch_embedding.weight", "patch_embed.proj.weight"),
    ("class_token", "cls_token"),
    ("encoder.pos_embedding", "pos_embed"),
    ("conv_proj.weight", "patch_embed.proj.weight"),
    ("conv_proj.bias", "patch_embed.proj.bias"),
    ("encoder.ln.weight", "norm.weight"),
    ("encoder.ln.bias", "norm.bias"),
];

/// The same for whole layers outside of blocks, by their beginning.
const NORMS: [(&str, &str); 2] = [("pre_layrnorm.", "norm_pre."), ("post_layernorm.", "norm.")];

/// What stands before the number of a block.
const BLOCKS: [&str; 4] = ["encoder.layers.encoder_layer_", "encoder.layers.", "encoder.layer.", "layers."];

/// Names inside of a block.
const PARTS: [(&str, &str); 27] = [
    // transformers' ViT, as its checkpoints and as its code have it.
    ("attention.attention.query.", "attn.q."),
    ("attention.attention.key.", "attn.k."),
    ("attention.attention.value.", "attn.v."),
    ("attention.output.dense.", "attn.proj."),
    ("intermediate.dense.", "mlp.fc1."),
    ("output.dense.", "mlp.fc2."),
    ("layernorm_before.", "norm1."),
    ("layernorm_after.", "norm2."),
    ("attention.q_proj.", "attn.q."),
    ("attention.k_proj.", "attn.k."),
    ("attention.v_proj.", "attn.v."),
    ("attention.o_proj.", "attn.proj."),
    // transformers' CLIP.
    ("self_attn.q_proj.", "attn.q."),
    ("self_attn.k_proj.", "attn.k."),
    ("self_attn.v_proj.", "attn.v."),
    ("self_attn.out_proj.", "attn.proj."),
    ("layer_norm1.", "norm1."),
    ("layer_norm2.", "norm2."),
    // torchvision, now and before.
    ("self_attention.in_proj_", "attn.qkv."),
    ("self_attention.out_proj.", "attn.proj."),
    ("ln_1.", "norm1."),
    ("ln_2.", "norm2."),
    ("mlp.0.", "mlp.fc1."),
    ("mlp.3.", "mlp.fc2."),
    ("mlp.linear_1.", "mlp.fc1."),
    ("mlp.linear_2.", "mlp.fc2."),
    ("mlp.", "mlp."),
];

/// The name a tensor has in timm; `None` for those that are left out.
pub(super) fn standard_name(name: &str) -> Option<String> {
    let prefixes = ["vit.", "vision_model."];
    let name = prefixes.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
    if LEFT_OUT.iter().any(|prefix| name.starts_with(prefix)) {
        return None;
    }
    if let Some((_, ours)) = SINGLE.iter().find(|(theirs, _)| *theirs == name) {
        return Some((*ours).to_owned());
    }
    let replace = |(theirs, ours): &(&str, &str)| Some(format!("{ours}{}", name.strip_prefix(theirs)?));
    if let Some(name) = NORMS.iter().find_map(replace) {
        return Some(name);
    }
    let block = BLOCKS.iter().find_map(|prefix| name.strip_prefix(prefix)?.split_once('.'));
    let ours = block.and_then(|(number, rest)| {
        let part = |(theirs, ours): &(&str, &str)| Some(format!("{ours}{}", rest.strip_prefix(theirs)?));
        Some(format!("blocks.{number}.{}", PARTS.iter().find_map(part)?))
    });
    Some(ours.unwrap_or_else(|| name.to_owned()))
}
