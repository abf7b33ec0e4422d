//! all-MiniLM-L6-v2 and its like: a BERT encoder on the CPU, mean pooling over the attention mask, norm 1.
//!
//! A folder holds `model.safetensors`, `tokenizer.json` and `config.json`. One batch is computed at a
//! time, by the threads of the machine's cores, so that questions wait for one small batch at most and
//! the stores keep some of the machine. Vectors depend on the batch they are made in by rounding alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use serde_json::Value;
use soma_core::embed::{Embedder, Identity};
use soma_core::error::Code;
use soma_core::{Error, Result};
use tokenizers::{Tokenizer, TruncationParams};
use tokio::sync::Semaphore;

use crate::{files, text, unit};

/// The weights of the model.
pub const WEIGHTS: &str = "model.safetensors";
/// The shape of the model.
pub const CONFIG: &str = "config.json";
/// The length of its vectors.
pub const DIMS: usize = 384;

/// Tokens of a text that are read; the model was trained on no more.
const TOKENS_MAX: usize = 256;
/// Bytes of a text that are cut into tokens: far more than [`TOKENS_MAX`] tokens of any language.
const TEXT_BYTES_MAX: usize = 16 * 1024;
/// Texts computed at once.
const BATCH: usize = 16;

/// The model in memory.
pub struct MiniLm {
    identity: Identity,
    model: Arc<Model>,
    turns: Arc<Semaphore>,
}

struct Model {
    bert: BertModel,
    tokenizer: Tokenizer,
}

impl std::fmt::Debug for MiniLm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MiniLm").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// Which embedder a folder holds, without loading it.
///
/// # Errors
/// `bad_config`, naming the file.
pub fn identity(folder: &Path) -> Result<Identity> {
    Ok(named(&files::read(&folder.join(WEIGHTS))?))
}

fn named(weights: &[u8]) -> Identity {
    Identity { name: "minilm".to_owned(), revision: files::revision(weights), dims: DIMS }
}

fn config(folder: &Path) -> Result<Config> {
    let path = folder.join(CONFIG);
    let config: Config = serde_json::from_slice(&files::read(&path)?).map_err(|error| files::unusable(&path, error))?;
    if config.hidden_size != DIMS || config.max_position_embeddings < TOKENS_MAX {
        let why = format!(
            "it makes {} dimensions from {} tokens, not {DIMS} from {TOKENS_MAX}",
            config.hidden_size, config.max_position_embeddings
        );
        return Err(files::unusable(&path, why));
    }
    Ok(config)
}

impl MiniLm {
    /// Loads the model of a folder; takes a moment and about 100 MB.
    ///
    /// # Errors
    /// `bad_config`, naming the file.
    pub fn open(folder: &Path) -> Result<Self> {
        let config = config(folder)?;
        let (mut tokenizer, path) = files::tokenizer(folder)?;
        let cut = TruncationParams { max_length: TOKENS_MAX, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(cut)).map_err(|error| files::unusable(&path, error))?;
        let known = tokenizer.get_vocab_size(true);
        if known > config.vocab_size {
            let why = format!("it knows {known} tokens, and the model {}", config.vocab_size);
            return Err(files::unusable(&path, why));
        }

        let path: PathBuf = folder.join(WEIGHTS);
        let weights = files::read(&path)?;
        let identity = named(&weights);
        let weights = VarBuilder::from_buffered_safetensors(weights, DType::F32, &Device::Cpu);
        let bert = weights.and_then(|weights| BertModel::load(weights, &config));
        let bert = bert.map_err(|error| files::unusable(&path, error))?;
        let model = Arc::new(Model { bert, tokenizer });
        Ok(Self { identity, model, turns: Arc::new(Semaphore::new(1)) })
    }

    /// The vectors of a few texts, one batch at a time.
    async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        let defect = |what: &str| Error::new(Code::Internal, format!("the model {} {what}", self.identity));
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|error| defect("is closed").because(error))?;
        let model = Arc::clone(&self.model);
        let computed = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            model.embed(&texts)
        });
        let computed = computed.await.map_err(|error| defect("met a defect").because(error))?;
        let mut vectors = computed.map_err(|error| defect("cannot compute a vector").because(error))?;
        if vectors.iter_mut().all(|vector| unit::normalise(vector)) {
            Ok(vectors)
        } else {
            Err(defect("made a vector without a direction"))
        }
    }
}

type Computed = Result<Vec<Vec<f32>>, Box<dyn std::error::Error + Send + Sync>>;

impl Model {
    /// The sum of the token vectors of each text: its mean but for the length.
    fn embed(&self, texts: &[String]) -> Computed {
        let cut = |text: &String| self.tokenizer.encode(text::first_bytes(text, TEXT_BYTES_MAX), true);
        let encoded = texts.iter().map(cut).collect::<Result<Vec<_>, _>>()?;
        let longest = encoded.iter().map(|tokens| tokens.get_ids().len()).max().unwrap_or(0);
        let shape = (texts.len(), longest);
        let (mut ids, mut mask) = (Vec::with_capacity(shape.0 * shape.1), Vec::with_capacity(shape.0 * shape.1));
        for tokens in &encoded {
            let own = tokens.get_ids();
            ids.extend_from_slice(own);
            ids.resize(ids.len() + longest - own.len(), 0_u32);
            mask.resize(mask.len() + own.len(), 1.0_f32);
            mask.resize(mask.len() + longest - own.len(), 0.0);
        }
        let ids = Tensor::from_vec(ids, shape, &Device::Cpu)?;
        let mask = Tensor::from_vec(mask, shape, &Device::Cpu)?;
        let hidden = self.bert.forward(&ids, &ids.zeros_like()?, Some(&mask))?;
        Ok(hidden.broadcast_mul(&mask.unsqueeze(2)?)?.sum(1)?.to_vec2()?)
    }
}

#[async_trait]
impl Embedder for MiniLm {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn hybrid_weight(&self) -> f64 {
        0.8
    }

    fn tolerance(&self) -> f32 {
        1e-5
    }

    async fn documents(&self, payloads: &[&Value]) -> Result<Vec<Vec<f32>>> {
        let texts: Vec<String> = payloads.iter().map(|payload| text::of(payload)).collect();
        // Texts of like length together: what pads the short ones costs as much as words.
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|at| texts[*at].len());
        let mut vectors = vec![Vec::new(); texts.len()];
        for batch in order.chunks(BATCH) {
            let made = self.embed(batch.iter().map(|at| texts[*at].clone()).collect()).await?;
            for (at, vector) in batch.iter().zip(made) {
                vectors[*at] = vector;
            }
        }
        Ok(vectors)
    }

    async fn query(&self, text: &str) -> Result<Vec<f32>> {
        let made = self.embed(vec![text.to_owned()]).await?;
        made.into_iter().next().ok_or_else(|| Error::new(Code::Internal, "a question got no vector"))
    }
}

#[cfg(test)]
mod tests;
