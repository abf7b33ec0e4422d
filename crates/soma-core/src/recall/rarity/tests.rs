//! What the weights of an index say about its namespaces.

use super::*;
use crate::testing::sample::namespace;

/// The weight that an index of `all` points gives a term that `n` of them hold.
fn weight(all: u32, n: u32) -> Option<f32> {
    (n > 0).then(|| (1.0 + (all as f32 - n as f32 + 0.5) / (n as f32 + 0.5)).ln())
}

fn assert_close(factor: f32, weight: Option<f32>, rarity: f64) {
    let weight = f64::from(weight.expect("it is held"));
    let got = f64::from(factor) * weight;
    assert!((got - rarity).abs() < 1e-3 * rarity, "{got} is not {rarity}");
}

fn rarity(memories: f64, holding: f64) -> f64 {
    (memories / holding + FLOOR).ln()
}

#[test]
fn a_word_is_as_rare_as_in_its_own_namespace_whatever_others_hold() {
    for all in [100, 10_000, 1_000_000] {
        let weights = [weight(all, 100), weight(all, 1), weight(all, 50), weight(all, 100)];
        let factors = Factors::of(3, &weights);
        let factors = factors.in_namespace(0);
        assert_close(factors[0], weights[1], rarity(100.5, 1.5));
        assert_close(factors[1], weights[2], rarity(100.5, 50.5));
        // The index's weight of what all points hold has few digits; what counts is that it is little.
        let little = f64::from(factors[2]) * f64::from(weights[3].expect("it is held"));
        assert!(little > 0.0 && little < 0.06, "{little}");
    }
}

#[test]
fn over_several_namespaces_a_word_is_as_rare_as_in_all_of_them_together() {
    let all = 5_000;
    let weights = [weight(all, 100), weight(all, 80), weight(all, 900), weight(all, 2)];
    let factors = Factors::of(1, &weights);
    let expected = rarity(100.5 + 900.5, 80.5 + 2.5);
    assert_close(factors.in_namespace(0)[0], weights[1], expected);
    assert_close(factors.in_namespace(1)[0], weights[3], expected);
}

#[test]
fn a_word_that_no_counted_namespace_holds_is_as_rare_as_the_rarest() {
    let all = 1_000;
    let weights = [weight(all, 100), weight(all, 50), weight(all, 2), None];
    let factors = Factors::of(3, &weights);
    assert_eq!(factors.elsewhere[2], factors.elsewhere[1]);
    assert_eq!(factors.in_namespace(0)[2], factors.elsewhere[2]);
    assert_eq!(factors.in_namespace(7), factors.elsewhere);
}

#[test]
fn an_index_that_knows_nothing_of_the_namespaces_is_asked_as_it_is() {
    let factors = Factors::of(2, &[None, None, None]);
    assert_eq!(factors.in_namespace(0), [1.0, 1.0]);
}

#[test]
fn a_weight_that_was_rounded_to_zero_divides_nothing() {
    let factors = Factors::of(2, &[None, Some(0.0), Some(3.0)]);
    assert_eq!(factors.in_namespace(0)[0], 1.0);
    assert!(factors.in_namespace(0)[1] > 0.0);
}

#[test]
fn a_word_whose_number_others_use_counts_as_frequent_and_never_against_a_memory() {
    // 100 memories, and 3,000 points of another namespace under the same number.
    let weights = [weight(5_000, 100), weight(5_000, 3_000)];
    let factors = Factors::of(1, &weights);
    assert_close(factors.in_namespace(0)[0], weights[1], (1.0 + FLOOR).ln());
}

#[test]
fn the_terms_of_one_namespace_stay_together() {
    let half = u32::try_from(limits::SEARCH_TERMS_MAX / 2 + 1).expect("it is small");
    let names = ["a", "b", "c"].map(namespace);
    let large = names.iter().zip(0..).map(|(name, n)| (name, (n * half..(n + 1) * half).map(|term| (term, 1.0))));
    let searches = packed(large);
    assert_eq!(searches.iter().map(|search| search.terms.indices.len()).collect::<Vec<_>>(), [half as usize; 3]);
    assert!(searches.iter().zip(&names).all(|(search, name)| search.namespaces == [name.clone()]));
    assert!(searches.iter().all(|search| search.terms.indices.is_sorted_by(|a, b| a < b)));
    let small = packed(names.iter().zip(0..).map(|(name, n)| (name, [(n, 1.0)].into_iter())));
    assert_eq!(small.into_iter().map(|search| search.namespaces).collect::<Vec<_>>(), [names]);
}
