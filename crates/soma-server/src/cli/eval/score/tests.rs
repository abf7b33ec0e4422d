use std::time::Duration;

use super::{Asked, Scores};

fn asked(category: &str, relevant: usize, ranks: &[usize]) -> Scores {
    let mut scores = Scores::default();
    add(&mut scores, category, relevant, ranks);
    scores
}

fn add(scores: &mut Scores, category: &str, relevant: usize, ranks: &[usize]) {
    scores.add(Asked { category, relevant, ranks: ranks.to_vec(), took: Duration::from_millis(2) });
}

#[test]
fn a_question_counts_by_the_share_of_its_memories_and_by_whether_any_was_found() {
    let scores = asked("1", 2, &[4, 11]).to_json();
    let all = &scores["all"];
    assert_eq!(
        (&all["R@1"], &all["R@5"], &all["R@10"], &all["R@20"]),
        (&0.0.into(), &0.5.into(), &0.5.into(), &1.0.into())
    );
    assert_eq!((&all["any@1"], &all["any@5"]), (&0.0.into(), &1.0.into()));
}

#[test]
fn scores_are_averaged_over_questions_and_by_category() {
    let mut scores = asked("one", 1, &[1]);
    add(&mut scores, "two", 1, &[]);
    add(&mut scores, "two", 4, &[2, 3]);
    let scores = scores.to_json();
    assert_eq!((&scores["all"]["n"], &scores["all"]["R@5"]), (&3.into(), &0.5.into()));
    assert_eq!((&scores["categories"]["two"]["n"], &scores["categories"]["two"]["R@5"]), (&2.into(), &0.25.into()));
    assert_eq!(scores["latency_ms"]["p95"], 2.0);
}

#[test]
fn the_table_shows_what_the_json_says() {
    let table = asked("temporal", 2, &[4, 11]).table("a set");
    let row = table.lines().find(|line| line.starts_with("temporal")).expect("the category has a row");
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(cells, ["temporal", "1", "0.0", "50.0", "50.0", "100.0", "0.0", "100.0", "100.0", "100.0"]);
}
