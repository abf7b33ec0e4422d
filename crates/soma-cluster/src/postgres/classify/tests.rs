//! What states mean for the stream.

use soma_core::error::Code;
use soma_core::projector::verdict::{self, Verdict};

use super::state;

fn verdict(sqlstate: &str) -> (Code, Verdict) {
    let (code, _) = state(sqlstate);
    (code, verdict::of(&soma_core::Error::new(code, sqlstate)))
}

#[test]
fn what_goes_away_by_itself_is_tried_again() {
    let passing = [
        "08000", "08003", "08006", "40001", "40P01", "53000", "53200", "53300", "55P03", "57014", "57P01", "57P02",
        "57P03", "25P03", "25P02", "25006", "58030", "XX000", "23505",
    ];
    for sqlstate in passing {
        assert_eq!(verdict(sqlstate).1, Verdict::Retry, "{sqlstate}");
    }
    assert_eq!(verdict("40P01").0, Code::Contended);
    assert_eq!(verdict("53100"), (Code::StorageFull, Verdict::Retry));
}

#[test]
fn a_refused_row_is_a_dead_letter_and_nothing_else_is() {
    for sqlstate in ["22003", "22008", "22P05", "22021", "23502", "23514", "54000"] {
        assert_eq!(verdict(sqlstate), (Code::StoreRejected, Verdict::DeadLetter), "{sqlstate}");
    }
    for sqlstate in ["42601", "42P01", "28P01", "42501", "XX001", "0A000", "", "9"] {
        assert_ne!(verdict(sqlstate).1, Verdict::DeadLetter, "{sqlstate}");
    }
}

#[test]
fn what_the_operator_must_mend_comes_with_a_remedy_and_waits() {
    for sqlstate in ["28P01", "28000", "42501", "3D000", "25006", "53100", "53300"] {
        assert!(state(sqlstate).1.is_some(), "{sqlstate}");
        assert_eq!(verdict(sqlstate).1, Verdict::Retry, "{sqlstate}");
    }
    assert!(state("42501").1.is_some_and(|remedy| remedy.contains("GRANT")));
}

#[test]
fn damage_and_defects_stop_the_stream() {
    assert_eq!(verdict("XX001"), (Code::Corrupt, Verdict::Halt));
    assert_eq!(verdict("42P01"), (Code::Corrupt, Verdict::Halt));
    assert_eq!(verdict("42601"), (Code::Internal, Verdict::Halt));
}
