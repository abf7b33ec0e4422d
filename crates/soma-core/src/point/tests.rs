//! What neighbours lend to a point.

use serde_json::json;

use super::*;
use crate::embed::language::Language;
use crate::embed::sparse::Lexicon;
use crate::event::EventType;
use crate::fold::from_scratch;
use crate::testing::sample::{entry, with_payload};

fn state(n: u64, text: &str) -> State {
    let payload = json!({"thread": "t", "seq": n, "text": text});
    from_scratch(&[entry(with_payload(EventType::Created, n, n, payload), n)]).expect("an event gives a state")
}

fn lexicon(state: &State) -> Lexicon {
    Lexicon::of(state.namespace.as_ref().expect("it is live"), Language::English)
}

fn worded(state: &State) -> Worded {
    let payload = &state.content.as_ref().expect("it is live").payload;
    Worded::of(payload, state.updated_at, &lexicon(state))
}

fn weight(point: &Point, word: &str) -> Option<f32> {
    let term = Lexicon::of(&point.namespace, Language::English).term(word);
    Some(point.sparse.values[point.sparse.indices.binary_search(&term).ok()?])
}

fn point(own: &str, around: [Option<&str>; AROUND.len()]) -> Point {
    let own = state(1, own);
    let said = around.map(|text| text.map(|text| worded(&state(2, text))));
    let lent = |worded| Lent { worded, dense: None };
    let mine = worded(&own);
    Point::among(
        &own,
        &Lent { worded: &mine, dense: Some(&[1.0, 0.0]) },
        &said.each_ref().map(|said| said.as_ref().map(lent)),
    )
    .expect("it is live")
}

#[test]
fn the_words_of_a_neighbour_count_by_its_distance_and_length() {
    let saturated = |tf: f64| Some((tf * 1.9 / (tf + 0.9)) as f32);
    let norm = |words: f64| 0.25 + 0.75 * words / 12.0;
    let around = [Some("lisbon"), Some("lisbon"), Some("porto braga"), None, None, Some("faro")];
    let point = point("where is it going", around);
    assert_eq!(weight(&point, "going"), saturated(1.0 / norm(1.0)));
    assert_eq!(weight(&point, "lisbon"), saturated(0.4 / norm(1.0) + 0.3 / norm(1.0)));
    assert_eq!(weight(&point, "porto"), saturated(0.3 / norm(2.0)));
    assert_eq!(weight(&point, "faro"), saturated(0.1 / norm(1.0)));
}

#[test]
fn a_long_turn_takes_little_and_no_turn_takes_other_fields_of_its_neighbours() {
    let long = "boat ".repeat(48);
    let point = point(&long, [Some("lisbon"), None, None, None, None, None]);
    let tf = 0.5 * 0.4 / (0.25 + 0.75 / 12.0);
    assert_eq!(weight(&point, "lisbon"), Some((tf * 1.9 / (tf + 0.9)) as f32));
}

#[test]
fn vectors_are_mixed_by_distance_and_keep_norm_1() {
    let own: &[f32] = &[1.0, 0.0, 0.0];
    let around: [(&[f32], f64); 2] = [(&[0.0, 1.0, 0.0], 0.5), (&[0.0, 0.0, 1.0], 0.3)];
    let vector = mixed(own, around.into_iter());
    let norm = (1.0_f64 + 0.25 + 0.09).sqrt();
    assert_eq!(vector, [1.0 / norm, 0.5 / norm, 0.3 / norm].map(|x| x as f32));
    let awkward: &[f32] = &[0.1, 0.7, 0.3];
    assert_eq!(mixed(awkward, std::iter::empty()), awkward, "alone it keeps its bits");
    assert_eq!(mixed(awkward, [(own, 0.0)].into_iter()), awkward);
    assert_eq!(mixed(own, [(&[-1.0, 0.0, 0.0][..], 1.0)].into_iter()), own, "nothing would be left");
}
