//! Context: what the turns around a turn lend to its point.
//!
//! A turn is often understood only beside its neighbours ("Where was that?" – "In Lisbon."). So its
//! point also holds the words of up to [`REACH`] turns before and after it in its thread, and, where
//! the embedder wants it, their vectors, each at a weight that falls with the distance. A long turn
//! needs and takes less of it. The weights were found on LoCoMo (five development conversations, turn
//! level), where words bring 14.6 points of R@10; among long messages (BEAM)
//! they bring none.
//!
//! A point is a function of its turn and these neighbours alone. So a change of one turn changes the
//! points within [`REACH`] of the places that it had and has, and no others: [`reached`].

use crate::fold::State;
use crate::thread::{Placed, TurnKey};

/// How many turns before and after a turn lend to its point.
pub const REACH: usize = 3;
/// Around a changed place, the points within [`REACH`] change, and each needs its own neighbours.
pub const SPREAD: usize = 2 * REACH;
/// Content words up to which a turn takes its neighbours in full.
const ROOM: f64 = 24.0;

/// One of the places around a turn.
#[derive(Clone, Copy, Debug)]
pub struct Beside {
    /// How many turns away; below 0 before it.
    pub offset: isize,
    /// How much each of its words counts.
    pub words: f64,
    /// How much its vector counts; 0 where it does not.
    pub meaning: f64,
}

/// The places around a turn, in the order in which they are added up.
pub const AROUND: [Beside; 2 * REACH] = [
    Beside { offset: -1, words: 0.4, meaning: 0.5 },
    Beside { offset: 1, words: 0.3, meaning: 0.3 },
    Beside { offset: -2, words: 0.3, meaning: 0.2 },
    Beside { offset: 2, words: 0.2, meaning: 0.0 },
    Beside { offset: -3, words: 0.15, meaning: 0.0 },
    Beside { offset: 3, words: 0.1, meaning: 0.0 },
];

/// The share of its neighbours that a turn with so many content words takes.
#[must_use]
pub fn share(words: usize) -> f64 {
    if words == 0 { 1.0 } else { (ROOM / words as f64).min(1.0) }
}

/// A memory whose point is to be made, and what lends to it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The memory.
    pub state: &'a State,
    /// The turns at [`AROUND`], as far as there are any.
    pub around: [Option<&'a State>; AROUND.len()],
}

impl<'a> Subject<'a> {
    /// A memory that is no turn, or that readers do not see.
    #[must_use]
    pub const fn alone(state: &'a State) -> Self {
        Self { state, around: [None; AROUND.len()] }
    }

    /// The turn at a place of its thread.
    fn among(turns: &'a [State], at: usize) -> Self {
        let beside = |beside: Beside| at.checked_add_signed(beside.offset).and_then(|at| turns.get(at));
        Self { state: &turns[at], around: AROUND.map(beside) }
    }
}

/// The turns whose points a change at one of these places reaches. `turns` are those that a store has
/// [`SPREAD`] around the places, in order.
#[must_use]
pub fn reached<'a>(turns: &'a [State], places: &[TurnKey]) -> Vec<Subject<'a>> {
    within(turns, places, REACH)
}

/// The turns at these places. `turns` are those that a store has [`REACH`] around them, in order.
#[must_use]
pub fn standing<'a>(turns: &'a [State], places: &[TurnKey]) -> Vec<Subject<'a>> {
    within(turns, places, 0)
}

fn within<'a>(turns: &'a [State], places: &[TurnKey], reach: usize) -> Vec<Subject<'a>> {
    let keys: Vec<TurnKey> = turns.iter().filter_map(|turn| Some(Placed::of(turn)?.key)).collect();
    debug_assert_eq!(keys.len(), turns.len(), "every turn of a thread has a place");
    debug_assert!(keys.is_sorted(), "the turns of a thread come in order");
    let mut wanted = vec![false; turns.len()];
    for place in places {
        let from = keys.partition_point(|key| key < place).saturating_sub(reach);
        let to = keys.partition_point(|key| key <= place).saturating_add(reach).min(turns.len());
        wanted[from..to].fill(true);
    }
    let wanted = wanted.iter().enumerate().filter(|(_, wanted)| **wanted);
    wanted.map(|(at, _)| Subject::among(turns, at)).collect()
}

#[cfg(test)]
mod tests;
