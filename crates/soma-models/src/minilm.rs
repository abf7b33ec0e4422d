//! all-MiniLM-L6-v2 and its like: a BERT encoder on the CPU, mean pooling over the attention mask, norm 1.
//!
//! A folder holds `model.safetensors`, `tokenizer.json` and `config.json`. Each batch is computed by one
//! thread, and as many at once as there are processors ([`lanes`]); texts to be indexed leave one of several
//! processors to questions. Questions that wait together are computed together, which takes less than one
//! after the other. Vectors depend on the batch they are made in by rounding alone.

mod encoder;
mod gelu;
mod lanes;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::Config;
use serde_json::Value;
use soma_core::embed::{Embedder, Identity};
use soma_core::error::Code;
use soma_core::{Error, Result};
use tokenizers::{Encoding, Tokenizer, TruncationParams};
use tokio::sync::oneshot;

use crate::{files, text, unit};
use encoder::Encoder;
use lanes::Lanes;

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
/// Bytes of texts computed at once, each padded to the longest of them: some 2,000 tokens, for which the model
/// takes some 100 MB.
const BATCH_BYTES: usize = 8 * 1024;
/// Bytes of a text that are mostly as many tokens as are read of it.
const READ_BYTES: usize = 4 * TOKENS_MAX;
/// Bytes of a question that is not worth telling from a shorter one.
const SHORT_BYTES: usize = 128;

/// The model in memory.
pub struct MiniLm {
    identity: Identity,
    model: Arc<Model>,
    lanes: Arc<Lanes>,
    questions: Mutex<Vec<Question>>,
}

/// One that waits for its vector.
struct Question {
    text: String,
    answer: oneshot::Sender<Result<Vec<f32>>>,
}

struct Model {
    identity: Identity,
    encoder: Encoder,
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
    /// Loads the model of a folder; takes a moment and about 100 MB, and as much again for each batch in hand.
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
        let encoder = weights.and_then(|weights| Encoder::load(&weights, &config));
        let encoder = encoder.map_err(|error| files::unusable(&path, error))?;
        let model = Arc::new(Model { identity: identity.clone(), encoder, tokenizer });
        Ok(Self { identity, model, lanes: Arc::new(Lanes::new()?), questions: Mutex::default() })
    }

    /// The vectors of one batch of texts to be indexed.
    async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        let turn = self.lanes.document_turn().await.map_err(|error| self.model.defect("is closed").because(error))?;
        let (model, lanes) = (Arc::clone(&self.model), Arc::clone(&self.lanes));
        let computed = tokio::task::spawn_blocking(move || lanes.compute(turn, || model.vectors(&texts)));
        computed.await.map_err(|error| self.model.defect("met a defect").because(error))?
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Question>> {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the question that waits longest, and of those of like length a share for each lane: what pads
    /// short ones costs as much as words.
    fn next(&self) -> Vec<Question> {
        let mut waiting = self.waiting();
        // Nobody waits for what a caller that went away has asked.
        waiting.retain(|question| !question.answer.is_closed());
        let size = |question: &Question| question.text.len().max(SHORT_BYTES);
        let Some(first) = waiting.first().map(size) else { return Vec::new() };
        let alike = |question: &mut Question| (first / 2..=first * 2).contains(&size(question));
        let share = waiting.len().div_ceil(self.lanes.count()).min(at_once(first));
        waiting.extract_if(.., alike).take(share).collect()
    }
}

/// How many texts of at most so many bytes are computed at once.
fn at_once(bytes: usize) -> usize {
    (BATCH_BYTES / bytes.clamp(1, READ_BYTES)).clamp(1, BATCH)
}

type Computed = Result<Vec<Vec<f32>>, Box<dyn std::error::Error + Send + Sync>>;

impl Model {
    /// Answers questions, all at once.
    fn answer(&self, questions: Vec<Question>) {
        let (texts, answers): (Vec<_>, Vec<_>) =
            questions.into_iter().map(|question| (question.text, question.answer)).unzip();
        match self.vectors(&texts) {
            Ok(vectors) => answers.into_iter().zip(vectors).for_each(|(answer, vector)| drop(answer.send(Ok(vector)))),
            // One of them spoils no other one's answer.
            Err(_) => {
                for (answer, text) in answers.into_iter().zip(texts) {
                    let alone = self.vectors(&[text]).map(|vectors| vectors.into_iter().flatten().collect());
                    drop(answer.send(alone));
                }
            }
        }
    }

    /// The vectors of a few texts.
    fn vectors(&self, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        let computed = self.embed(texts);
        let mut vectors = computed.map_err(|error| self.defect("cannot compute a vector").because(error))?;
        if vectors.iter_mut().all(|vector| unit::normalise(vector)) {
            Ok(vectors)
        } else {
            Err(self.defect("made a vector without a direction"))
        }
    }

    fn defect(&self, what: &str) -> Error {
        Error::new(Code::Internal, format!("the model {} {what}", self.identity))
    }

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
        let padded = mask.contains(&0.0);
        let mask = Tensor::from_vec(mask, shape, &Device::Cpu)?;
        let padding = if padded { Some(encoder::padding(&mask)?) } else { None };
        let hidden: Vec<Vec<Vec<f32>>> = self.encoder.forward(&ids, texts.len(), padding.as_ref())?.to_vec3()?;
        let sum = |(rows, tokens): (Vec<Vec<f32>>, &Encoding)| {
            let mut sum = vec![0.0; DIMS];
            for row in rows.iter().take(tokens.get_ids().len()) {
                sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
            }
            sum
        };
        Ok(hidden.into_iter().zip(&encoded).map(sum).collect())
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
        let mut batches: Vec<Vec<String>> = Vec::new();
        for text in order.iter().map(|at| &texts[*at]) {
            match batches.last_mut().filter(|batch| batch.len() < at_once(text.len())) {
                Some(batch) => batch.push(text.clone()),
                None => batches.push(vec![text.clone()]),
            }
        }
        let made = futures::future::try_join_all(batches.into_iter().map(|batch| self.embed(batch))).await?;
        let mut vectors = vec![Vec::new(); texts.len()];
        for (at, vector) in order.into_iter().zip(made.into_iter().flatten()) {
            vectors[at] = vector;
        }
        Ok(vectors)
    }

    async fn query(&self, text: &str) -> Result<Vec<f32>> {
        let (answer, mut answered) = oneshot::channel();
        self.waiting().push(Question { text: text.to_owned(), answer });
        let lost = |error| self.model.defect("met a defect").because(error);
        // Whoever has the turn computes for all that wait. It goes on without its caller.
        loop {
            let turn = tokio::select! {
                biased;
                made = &mut answered => return made.map_err(lost)?,
                turn = self.lanes.turn() => turn.map_err(|error| self.model.defect("is closed").because(error))?,
            };
            let questions = self.next();
            if questions.is_empty() {
                // Somebody has just computed this one.
                return answered.await.map_err(lost)?;
            }
            let (model, lanes) = (Arc::clone(&self.model), Arc::clone(&self.lanes));
            drop(tokio::task::spawn_blocking(move || lanes.compute(turn, || model.answer(questions))));
        }
    }
}

#[cfg(test)]
mod tests;
