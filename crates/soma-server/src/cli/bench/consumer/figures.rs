//! What was found out, put into figures.

use super::super::report::Figure;
use super::super::stats::Samples;
use super::live::Run;
use super::steady::Steady;

/// Everything that one run measures; what was not asked for has no samples.
#[derive(Default)]
pub(super) struct Found {
    pub(super) backlog: Option<Run>,
    pub(super) records: Option<Run>,
    pub(super) steady: Option<Steady>,
    /// Ours, the bare producer's, requests for nothing.
    pub(super) api: Option<[Samples; 3]>,
    /// One loop over both stores, and its processor time.
    pub(super) one: Samples,
    pub(super) one_cpu: Samples,
    /// A loop a partition.
    pub(super) loops: Samples,
    pub(super) table: Samples,
    pub(super) index: Samples,
    pub(super) consuming: Samples,
    pub(super) vectors: Samples,
    pub(super) decode: Samples,
    pub(super) parse: Samples,
    /// One event into both stores.
    pub(super) single: Samples,
    pub(super) one_at_a_time: Samples,
}

impl Found {
    /// The figures of a backlog of so many events.
    pub(super) fn figures(self, events: u64) -> Vec<Figure> {
        let Self { one, one_cpu, table, consuming, .. } = self;
        let mut figures = Vec::new();
        let mut add = |name: &str, ours: Samples, bare: Vec<Samples>| {
            if ours.count() > 0 {
                figures.push(Figure::new(name, events, ours, bare));
            }
        };
        if let Some(Run { rates, whole, cpu, resident, peak, idle }) = self.backlog {
            let beside = vec![
                one.clone(),
                self.loops,
                table.clone(),
                self.index,
                consuming.clone(),
                self.vectors,
                self.one_at_a_time,
            ];
            add("consumer_backlog", rates, beside);
            add("consumer_backlog_whole", whole, vec![one]);
            add("consumer_memory", resident, vec![idle.clone()]);
            add("consumer_memory_peak", peak, vec![idle]);
            add("consumer_cpu", cpu, vec![one_cpu.clone()]);
        }
        if let Some(Run { rates, cpu, .. }) = self.records {
            add("records_only", rates, vec![table, consuming]);
            add("records_only_cpu", cpu, vec![one_cpu]);
        }
        add("decode", self.decode, vec![self.parse]);
        if let Some(Steady { stored, accepted }) = self.steady {
            add("steady", stored, vec![accepted, self.single]);
        }
        if let Some([ours, bare, nothing]) = self.api {
            add("api_writes", ours, vec![bare, nothing]);
        }
        figures
    }
}
