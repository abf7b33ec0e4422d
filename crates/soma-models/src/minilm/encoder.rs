//! The encoder: BERT (Devlin et al. 2018) with its weights laid out for short texts.
//!
//! A question is a dozen tokens, so its matrices are narrow and multiplying them is mostly reading weights.
//! The usual layout (a row for each output) is copied into another one by every multiplication, which takes
//! longer than the multiplication itself. Here weights are turned once, when they are loaded; query, key and
//! value are one matrix; bias and activation are one pass. The numbers are those of
//! `candle_transformers::models::bert` but for rounding.

use candle_core::{CpuStorage, CustomOp2, D, Device, Layout, Result, Shape, Tensor, bail};
use candle_nn::ops::softmax_last_dim;
use candle_nn::{LayerNorm, Module as _, VarBuilder, layer_norm};
use candle_transformers::models::bert::{Config, HiddenAct};

use super::gelu::gelu;

/// The model without its tokenizer.
pub(super) struct Encoder {
    words: Tensor,
    /// Of each position, that of a single text added.
    positions: Tensor,
    norm: LayerNorm,
    layers: Vec<Layer>,
    heads: usize,
}

struct Layer {
    /// Query, key and value, one beside the other; what the query is divided by is in its weights.
    attend: Linear,
    attended: Linear,
    attended_norm: LayerNorm,
    widen: Linear,
    act: HiddenAct,
    narrow: Linear,
    norm: LayerNorm,
}

/// Weights with a row for each input, and a bias.
struct Linear {
    weight: Tensor,
    bias: Tensor,
}

/// What is added to the thoughts of padded texts: nothing for a token of theirs, and for what pads them what
/// leaves no share to it. `mask` is 1 for each token of each text and 0 behind its end.
pub(super) fn padding(mask: &Tensor) -> Result<Tensor> {
    mask.affine(-f64::from(f32::MIN), f64::from(f32::MIN))?.unsqueeze(1)?.unsqueeze(1)
}

impl Encoder {
    /// Takes the weights out of a file, whatever stands before their names.
    ///
    /// # Errors
    /// When one is missing or has another shape.
    pub(super) fn load(weights: &VarBuilder<'_>, config: &Config) -> Result<Self> {
        let prefix = ["", "bert"].into_iter().chain(config.model_type.as_deref());
        let found = prefix
            .map(|prefix| if prefix.is_empty() { weights.clone() } else { weights.pp(prefix) })
            .find(|weights| weights.contains_tensor("embeddings.word_embeddings.weight"));
        let Some(weights) = found else { bail!("there is no tensor embeddings.word_embeddings.weight") };
        let width = config.hidden_size;
        let embeddings = weights.pp("embeddings");
        let positions = embeddings.get((config.max_position_embeddings, width), "position_embeddings.weight")?;
        let kinds = embeddings.get((config.type_vocab_size, width), "token_type_embeddings.weight")?;
        let layers =
            (0..config.num_hidden_layers).map(|at| Layer::load(&weights.pp(format!("encoder.layer.{at}")), config));
        Ok(Self {
            words: embeddings.get((config.vocab_size, width), "word_embeddings.weight")?,
            positions: positions.broadcast_add(&kinds.narrow(0, 0, 1)?)?,
            norm: layer_norm(width, config.layer_norm_eps, embeddings.pp("LayerNorm"))?,
            layers: layers.collect::<Result<_>>()?,
            heads: config.num_attention_heads,
        })
    }

    /// The vectors of the tokens of some texts, each padded to the longest; `padding` is added to what a token
    /// thinks of the others, and is not there when no text is padded.
    ///
    /// # Errors
    /// When shapes do not fit together.
    pub(super) fn forward(&self, ids: &[u32], texts: usize, padding: Option<&Tensor>) -> Result<Tensor> {
        let tokens = ids.len() / texts.max(1);
        let ids = Tensor::new(ids, &Device::Cpu)?;
        let positions = self.positions.narrow(0, 0, tokens)?;
        let words = self.words.index_select(&ids, 0)?.reshape((texts, tokens, ()))?;
        let words = added(&words, &positions)?.flatten(0, 1)?;
        let mut hidden = self.norm.forward(&words)?;
        for layer in &self.layers {
            hidden = layer.forward(&hidden, (texts, tokens, self.heads), padding)?;
        }
        hidden.reshape((texts, tokens, ()))
    }
}

impl Layer {
    fn load(weights: &VarBuilder<'_>, config: &Config) -> Result<Self> {
        let (width, wide) = (config.hidden_size, config.intermediate_size);
        let attention = weights.pp("attention");
        let one = |name: &str| Linear::load(&attention.pp("self").pp(name), width, width);
        let scale = ((width / config.num_attention_heads.max(1)) as f64).sqrt().recip();
        let eps = config.layer_norm_eps;
        Ok(Self {
            attend: Linear::beside(&[one("query")?.scaled(scale)?, one("key")?, one("value")?])?,
            attended: Linear::load(&attention.pp("output.dense"), width, width)?,
            attended_norm: layer_norm(width, eps, attention.pp("output.LayerNorm"))?,
            widen: Linear::load(&weights.pp("intermediate.dense"), width, wide)?,
            act: config.hidden_act,
            narrow: Linear::load(&weights.pp("output.dense"), wide, width)?,
            norm: layer_norm(width, eps, weights.pp("output.LayerNorm"))?,
        })
    }

    fn forward(&self, hidden: &Tensor, shape: (usize, usize, usize), padding: Option<&Tensor>) -> Result<Tensor> {
        let (texts, tokens, heads) = shape;
        let all = self.attend.forward(hidden)?.reshape((texts, tokens, 3, heads, ()))?;
        let part = |at| all.narrow(2, at, 1)?.squeeze(2)?.transpose(1, 2)?.contiguous();
        let (query, key, value) = (part(0)?, part(1)?, part(2)?);
        let mut thought = query.matmul(&key.t()?)?;
        if let Some(padding) = padding {
            thought = thought.apply_op2_no_bwd(padding, &Pad)?;
        }
        let seen = softmax_last_dim(&thought)?.matmul(&value)?.transpose(1, 2)?.reshape(hidden.dims())?;
        let attended = self.attended_norm.forward(&added(&self.attended.forward(&seen)?, hidden)?)?;
        let wide = match self.act {
            HiddenAct::Gelu => self.widen.forward_gelu(&attended)?,
            HiddenAct::GeluApproximate => self.widen.forward(&attended)?.gelu()?,
            HiddenAct::Relu => self.widen.forward(&attended)?.relu()?,
        };
        self.norm.forward(&added(&self.narrow.forward(&wide)?, &attended)?)
    }
}

impl Linear {
    fn load(weights: &VarBuilder<'_>, inputs: usize, outputs: usize) -> Result<Self> {
        let weight = weights.get((outputs, inputs), "weight")?.t()?.contiguous()?;
        Ok(Self { weight, bias: weights.get(outputs, "bias")? })
    }

    fn scaled(&self, by: f64) -> Result<Self> {
        Ok(Self { weight: (&self.weight * by)?, bias: (&self.bias * by)? })
    }

    fn beside(parts: &[Self]) -> Result<Self> {
        let weights: Vec<&Tensor> = parts.iter().map(|part| &part.weight).collect();
        let biases: Vec<&Tensor> = parts.iter().map(|part| &part.bias).collect();
        Ok(Self { weight: Tensor::cat(&weights, D::Minus1)?.contiguous()?, bias: Tensor::cat(&biases, 0)? })
    }

    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        added(&input.matmul(&self.weight)?, &self.bias)
    }

    fn forward_gelu(&self, input: &Tensor) -> Result<Tensor> {
        input.matmul(&self.weight)?.apply_op2_no_bwd(&self.bias, &BiasGelu)
    }
}

/// Numbers, and others added to them again and again: a bias to each row, positions to each text, or as many.
///
/// The library's own sums of more than 65,536 numbers wait for threads that all computations share.
fn added(numbers: &Tensor, others: &Tensor) -> Result<Tensor> {
    numbers.apply_op2_no_bwd(&others.contiguous()?, &Add)
}

/// See [`added`].
struct Add;

impl CustomOp2 for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn cpu_fwd(&self, to: &CpuStorage, at: &Layout, add: &CpuStorage, of: &Layout) -> Result<(CpuStorage, Shape)> {
        let (mut out, add) = (numbers(to, at)?.to_vec(), numbers(add, of)?);
        for block in out.chunks_exact_mut(add.len()) {
            block.iter_mut().zip(add).for_each(|(x, add)| *x += add);
        }
        Ok((CpuStorage::F32(out), at.shape().clone()))
    }
}

/// What pads each text, added to every row of its thoughts.
struct Pad;

impl CustomOp2 for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn cpu_fwd(&self, to: &CpuStorage, at: &Layout, pads: &CpuStorage, of: &Layout) -> Result<(CpuStorage, Shape)> {
        let (texts, heads, rows, tokens) = at.shape().dims4()?;
        let (mut out, pads) = (numbers(to, at)?.to_vec(), numbers(pads, of)?);
        if pads.len() != texts * tokens {
            bail!("{} numbers pad {texts} texts of {tokens} tokens", pads.len())
        }
        for (text, pads) in out.chunks_exact_mut(heads * rows * tokens).zip(pads.chunks_exact(tokens)) {
            for row in text.chunks_exact_mut(tokens) {
                row.iter_mut().zip(pads).for_each(|(x, pad)| *x += pad);
            }
        }
        Ok((CpuStorage::F32(out), at.shape().clone()))
    }
}

/// The numbers of a tensor without gaps.
fn numbers<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let Some((from, to)) = layout.contiguous_offsets() else { bail!("numbers with gaps between them") };
    Ok(&storage.as_slice::<f32>()?[from..to])
}

/// The bias of each column, then the Gaussian error linear unit.
struct BiasGelu;

impl CustomOp2 for BiasGelu {
    fn name(&self) -> &'static str {
        "bias-gelu"
    }

    fn cpu_fwd(&self, rows: &CpuStorage, at: &Layout, bias: &CpuStorage, of: &Layout) -> Result<(CpuStorage, Shape)> {
        let (mut out, bias) = (numbers(rows, at)?.to_vec(), numbers(bias, of)?);
        for row in out.chunks_exact_mut(bias.len()) {
            row.iter_mut().zip(bias).for_each(|(x, bias)| *x = gelu(*x + bias));
        }
        Ok((CpuStorage::F32(out), at.shape().clone()))
    }
}

#[cfg(test)]
mod tests;
