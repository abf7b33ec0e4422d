use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config, HiddenAct};

use super::*;

fn config(act: HiddenAct) -> Config {
    Config {
        vocab_size: 50,
        hidden_size: 24,
        num_hidden_layers: 2,
        num_attention_heads: 3,
        intermediate_size: 40,
        hidden_act: act,
        max_position_embeddings: 16,
        ..Config::default()
    }
}

/// Weights that are the same in every run, and no two of them alike.
fn weights(config: &Config, prefix: &str) -> VarBuilder<'static> {
    let (width, wide) = (config.hidden_size, config.intermediate_size);
    let mut shapes = vec![
        ("embeddings.word_embeddings.weight".to_owned(), vec![config.vocab_size, width]),
        ("embeddings.position_embeddings.weight".to_owned(), vec![config.max_position_embeddings, width]),
        ("embeddings.token_type_embeddings.weight".to_owned(), vec![config.type_vocab_size, width]),
    ];
    let mut norms = vec!["embeddings".to_owned()];
    for layer in 0..config.num_hidden_layers {
        let at = format!("encoder.layer.{layer}");
        let attention = ["self.query", "self.key", "self.value", "output.dense"];
        let linears = attention.map(|name| (format!("{at}.attention.{name}"), width, width));
        let wide = [(format!("{at}.intermediate.dense"), width, wide), (format!("{at}.output.dense"), wide, width)];
        for (name, inputs, outputs) in linears.into_iter().chain(wide) {
            shapes.push((format!("{name}.weight"), vec![outputs, inputs]));
            shapes.push((format!("{name}.bias"), vec![outputs]));
        }
        norms.extend([format!("{at}.attention.output"), format!("{at}.output")]);
    }
    for norm in norms {
        shapes.extend(["weight", "bias"].map(|part| (format!("{norm}.LayerNorm.{part}"), vec![width])));
    }
    let mut state = 42_u64;
    let mut number = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    let mut tensors = HashMap::new();
    for (name, shape) in shapes {
        let numbers: Vec<f32> = (0..shape.iter().product()).map(|_| number()).collect();
        tensors.insert(format!("{prefix}{name}"), Tensor::from_vec(numbers, shape, &Device::Cpu).expect("a tensor"));
    }
    VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu)
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().and_then(|flat| flat.to_vec1()).expect("numbers")
}

#[test]
fn its_numbers_are_those_of_the_usual_layout() {
    for act in [HiddenAct::Gelu, HiddenAct::GeluApproximate, HiddenAct::Relu] {
        let config = config(act);
        let weights = weights(&config, "");
        let (ours, theirs) = (Encoder::load(&weights, &config), BertModel::load(weights, &config));
        let (ours, theirs) = (ours.expect("it loads"), theirs.expect("it loads"));
        let ids: Vec<u32> = vec![1, 7, 9, 3, 2, 1, 49, 2, 0, 0, 1, 30, 31, 32, 2];
        let mask: Vec<f32> = ids.iter().map(|id| if *id == 0 { 0.0 } else { 1.0 }).collect();
        let (texts, mask) = (3, Tensor::from_vec(mask, (3, 5), &Device::Cpu).expect("a tensor"));
        let padding = padding(&mask).expect("a tensor");
        let made = ours.forward(&ids, texts, Some(&padding)).expect("it computes");
        let shaped = Tensor::from_vec(ids.clone(), (3, 5), &Device::Cpu).expect("a tensor");
        let kinds = shaped.zeros_like().expect("a tensor");
        let wanted = theirs.forward(&shaped, &kinds, Some(&mask)).expect("it computes");
        assert_eq!(made.dims(), wanted.dims());
        for (at, (a, b)) in numbers(&made).into_iter().zip(numbers(&wanted)).enumerate() {
            assert!((a - b).abs() <= 2e-5, "{act:?}, number {at}: {a} is not {b}");
        }
        // Without padding there is nothing to leave out.
        let alone = ours.forward(&ids[..5], 1, None).expect("it computes");
        for (a, b) in numbers(&alone).into_iter().zip(numbers(&made)) {
            assert!((a - b).abs() <= 2e-5, "{act:?}: {a} is not {b}");
        }
    }
}

#[test]
fn weights_are_found_under_the_name_of_their_model() {
    let config = config(HiddenAct::Gelu);
    assert!(Encoder::load(&weights(&config, "bert."), &config).is_ok());
    let other = weights(&config, "elsewhere.");
    let error = Encoder::load(&other, &config).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("word_embeddings"), "{error}");
}

/// Where the library's pool for long sums would start its threads, on machines of several processors.
#[cfg(target_os = "linux")]
#[test]
fn a_large_batch_starts_no_threads_that_batches_share() {
    let config = config(HiddenAct::Gelu);
    let encoder = Encoder::load(&weights(&config, ""), &config).expect("it loads");
    let (texts, tokens) = (400, 16);
    let ids: Vec<u32> = (0..texts * tokens).map(|n| n as u32 % 50).collect();
    let mask: Vec<f32> = (0..texts * tokens).map(|n| if n % tokens < 9 { 1.0 } else { 0.0 }).collect();
    let padding = padding(&Tensor::from_vec(mask, (texts, tokens), &Device::Cpu).expect("a tensor")).expect("a tensor");
    let made = encoder.forward(&ids, texts, Some(&padding)).expect("it computes");
    assert!(made.elem_count() > 2 * 65_536, "enough for the library to share it out");
    let threads = std::fs::read_dir("/proc/self/task").expect("Linux tells the threads");
    let names = threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok());
    let shared: Vec<String> = names.filter(|name| name.starts_with("candle-bp")).collect();
    assert!(shared.is_empty(), "{shared:?}");
}
