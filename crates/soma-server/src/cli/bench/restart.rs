//! Starting again with everything that is stored, beside opening the bare table and the bare index.

use soma_core::Result;

use super::lab::{Bare, Lab};
use super::report::Figure;
use super::server::Server;
use super::stats::{Bounds, Samples, alternate, sampled};

const ROUNDS_MAX: usize = 5;

pub(super) fn measure(lab: &Lab, size: u64) -> Result<Vec<Figure>> {
    let mut ours = |_| {
        let server = Server::start(lab, &lab.folder.data())?;
        let ready = Samples::one(server.ready_ms);
        server.stop()?;
        Ok(ready)
    };
    let mut theirs = |_| {
        sampled(lab.clock.as_ref(), || {
            let bare = Bare::open(lab)?;
            bare.table.count()?;
            lab.runtime.block_on(bare.index.count())
        })
    };
    let bounds = Bounds { rounds: lab.bounds.rounds.min(ROUNDS_MAX), ..lab.bounds };
    let mut all = alternate(lab.clock.as_ref(), bounds, &mut [&mut ours, &mut theirs])?;
    let bare = all.split_off(1);
    Ok(vec![Figure::new("restart", size, all.swap_remove(0), bare)])
}
