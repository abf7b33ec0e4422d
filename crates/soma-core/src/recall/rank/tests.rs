use serde_json::json;
use uuid::Uuid;

use super::*;

fn candidate(id: u128, bm25: f64, cosine: f64) -> Candidate {
    Candidate { id: MemoryId(Uuid::from_u128(id)), bm25: Some(bm25), cosine: Some(cosine), given: Vec::new() }
}

fn asked(words: &Words) -> Asked<'_> {
    Asked { words, language: Language::English }
}

fn order(mode: Mode, weight: f64, question: &str, candidates: &[Candidate], turns: &[Turn]) -> Vec<u128> {
    let candidates = given(mode, question, candidates, turns);
    let ranked = rank(&Weighing::of(mode, weight, &candidates), candidates);
    ranked.into_iter().map(|(candidate, _)| candidate.id.0.as_u128()).collect()
}

/// Candidates with what their turns add.
fn given(mode: Mode, question: &str, candidates: &[Candidate], turns: &[Turn]) -> Vec<Candidate> {
    let words = Words::of(question);
    let given = |turn| if mode == Mode::Hybrid { priors(&asked(&words), turn) } else { Vec::new() };
    candidates.iter().zip(turns).map(|(one, turn)| Candidate { given: given(turn), ..one.clone() }).collect()
}

#[test]
fn the_length_prior_is_the_logarithm_that_it_stands_for() {
    for (words, value) in LENGTH.iter().enumerate() {
        assert!((value - 0.1 * (1.0 + words as f64).ln()).abs() < 1e-15);
    }
}

#[test]
fn single_lists_keep_the_order_of_the_index() {
    let turns = [Turn::of(&json!("a")), Turn::of(&json!("a b c d e f"))];
    let candidates = [candidate(1, 2.0, 0.1), candidate(2, 1.9, 0.9)];
    assert_eq!(order(Mode::Lexical, 0.8, "x", &candidates, &turns), [1, 2]);
    assert_eq!(order(Mode::Dense, 0.8, "x", &candidates, &turns), [2, 1]);
}

#[test]
fn both_lists_add_up_by_the_weight_of_the_embedder() {
    let turns = [Turn::default(), Turn::default()];
    let candidates = [candidate(1, 2.0, 0.1), candidate(2, 1.0, 0.4)];
    assert_eq!(order(Mode::Hybrid, 0.0, "x", &candidates, &turns), [1, 2]);
    assert_eq!(order(Mode::Hybrid, 0.8, "x", &candidates, &turns), [2, 1]);
}

#[test]
fn a_turn_of_the_actor_whom_the_question_names_comes_first() {
    let turn = |actor| Turn::of(&json!({"text": "a red boat", "actor": actor, "thread": "t"}));
    let turns = [turn("Ben"), turn("Ann Lee")];
    let candidates = [candidate(1, 1.0, 0.0), candidate(2, 0.9, 0.0)];
    assert_eq!(order(Mode::Hybrid, 0.0, "what did ann lee's mother buy", &candidates, &turns), [2, 1]);
    assert_eq!(order(Mode::Hybrid, 0.0, "what did ann buy", &candidates, &turns), [1, 2]);
}

#[test]
fn a_question_stands_behind_statements_of_a_thread() {
    let turns = ["which red boat?", "that red boat."].map(|text| Turn::of(&json!({"text": text, "thread": 1})));
    let candidates = [candidate(1, 1.0, 0.0), candidate(2, 0.9, 0.0)];
    assert_eq!(order(Mode::Hybrid, 0.0, "red boat", &candidates, &turns), [2, 1]);
}

#[test]
fn a_question_mark_counts_less_the_longer_the_turn() {
    let asks = |words: usize| {
        let turn = Turn::of(&json!({"text": "boat ".repeat(words) + "?", "thread": 1}));
        let parts = priors(&asked(&Words::of("x")), &turn);
        parts.into_iter().find(|(name, _)| *name == "asks").map(|(_, part)| part)
    };
    assert_eq!([asks(1), asks(12), asks(24), asks(48)], [Some(-0.2), Some(-0.2), Some(-0.1), Some(-0.05)]);
}

#[test]
fn outside_a_thread_neither_actor_nor_question_mark_count() {
    let turns = ["which red boat?", "that red boat."].map(|text| Turn::of(&json!({"text": text, "actor": "Ann"})));
    let candidates = [candidate(1, 1.0, 0.0), candidate(2, 0.9, 0.0)];
    assert_eq!(order(Mode::Hybrid, 0.0, "ann's red boat", &candidates, &turns), [1, 2]);
}

#[test]
fn ties_go_by_id_whatever_the_order_at_the_start() {
    let turns = [Turn::default(), Turn::default(), Turn::default()];
    let candidates = [candidate(3, 1.0, 0.5), candidate(1, 1.0, 0.5), candidate(2, 1.0, 0.5)];
    for mode in [Mode::Hybrid, Mode::Lexical, Mode::Dense] {
        assert_eq!(order(mode, 0.8, "x", &candidates, &turns), [1, 2, 3]);
    }
}

#[test]
fn negative_similarity_counts_as_none_and_never_divides_by_zero() {
    let turns = [Turn::default(), Turn::default()];
    let candidates = [candidate(1, 0.0, -0.3), candidate(2, 0.0, -0.1)];
    let candidates = given(Mode::Hybrid, "x", &candidates, &turns);
    let ranked = rank(&Weighing::of(Mode::Hybrid, 0.8, &candidates), candidates);
    assert!(ranked.iter().all(|(_, score)| score.total == 0.0));
}

proptest::proptest! {
    #[test]
    fn content_words_are_counted_as_if_the_whole_text_were_read(
        words in proptest::collection::vec("(the|of|boat|don't|Ann's|a-b|été|水|x{250}|[ .?]{1,90})", 0..40),
    ) {
        let text = words.join(" ");
        let whole = Words::of(&text).content(Language::English).count().min(CONTENT_WORDS_MAX);
        proptest::prop_assert_eq!(content_words(&text, Language::English), whole);
    }

    #[test]
    fn the_parts_sum_to_the_score_and_the_best_comes_first(
        scores in proptest::collection::vec((0.0..9.0_f64, -1.0..1.0_f64, 0_usize..20, 0_u8..4), 1..20),
        weight in 0.0..1.0_f64,
    ) {
        let turns: Vec<Turn> = scores.iter().map(|(_, _, words, kind)| {
            let text = "boat ".repeat(*words) + if kind & 1 == 0 { "?" } else { "" };
            let actor = if kind & 2 == 0 { "Ann" } else { "Ben" };
            Turn::of(&json!({"text": text, "actor": actor, "thread": "t"}))
        }).collect();
        let candidates: Vec<Candidate> =
            scores.iter().enumerate().map(|(at, (bm25, cosine, ..))| candidate(at as u128, *bm25, *cosine)).collect();
        let candidates = given(Mode::Hybrid, "what did ann say", &candidates, &turns);
        let weighing = Weighing::of(Mode::Hybrid, weight, &candidates);
        let ranked = rank(&weighing, candidates);
        proptest::prop_assert_eq!(ranked.len(), scores.len());
        proptest::prop_assert!(ranked.is_sorted_by(|(_, a), (_, b)| a.total >= b.total));
        for (candidate, score) in &ranked {
            let sum: f64 = score.parts.iter().map(|(_, part)| part).sum();
            proptest::prop_assert_eq!(sum, score.total);
            proptest::prop_assert!(score.total <= weighing.most(candidate, priors_most(true)));
            let speaks = score.parts.iter().any(|(name, _)| *name == "actor");
            proptest::prop_assert!(speaks || score.total <= weighing.most(candidate, priors_most(false)));
        }
    }
}
