//! The session guarantees: how many reads broke one, of those that could have, session by session, and by how much.
//!
//! A *session* is whoever issues operations: a client, or by hand a node. What a read shows is one key, so each guarantee is
//! held key by key. *Missing* is a write that the answer neither returns nor supersedes, and that no delete excuses; in the
//! single-value view, one that began after every returned version was complete. An opportunity is an answered read of the load
//!
//! - for **read your writes**, whose session had an acknowledged write of the key that was over when the read began; it is
//!   broken iff one of those is missing. k: how many; t: the read's start minus the end of the first of them.
//! - for **monotonic reads**, whose session had a read of the key that was over when this one began and returned a version;
//!   broken iff one of the versions it had so read is missing. k: how many of them and of their ancestors; t: the read's
//!   start minus the end of the session's first read of the first of them.
//! - for **monotonic writes**, of whichever session, that returned a write before whose begin the writer's session had an
//!   acknowledged write of the key; broken iff one of those is missing. k and t as for read your writes.
//! - for **writes follow reads**, of whichever session, that returned a write before whose begin the writer's session had read
//!   a version of the key; broken iff one of those versions is missing. k as for monotonic reads; t: the read's start minus
//!   the begin of the first such write that it returned.
//!
//! In the single-value view the last two cannot be broken: a write that was over before a returned one began is not newer.
//! The first two are given in both views. A version whose write definitely failed is owed to nobody. Of a key a session remembers the last 64 versions that it has read.
//!
//! Reference: D. Terry et al., PDIS 1994; P. Viotti, M. Vukolić, “Consistency in non-transactional distributed storage
//! systems”, ACM Computing Surveys 49 (2016); F. Freitas et al., DSN 2016, whose client-side definitions these are.

use super::{Metric, Phased, Run, Seen};
use crate::figures::{GuaranteeFigures, SessionShare};
use crate::judge::{Guarantee, Guarantees};
use crate::phases::Place;
use crate::spread::{Distribution, MS, ONE};
use crate::tally::{Tally, shares};
use std::collections::BTreeMap;
use tidemark_proto::event::Operation;
use tidemark_proto::id::{NodeId, OperationId};

#[derive(Default)]
pub(crate) struct Sessions {
    kept: [Kept; GUARANTEES.len()],
}

/// One guarantee.
#[derive(Default)]
struct Kept {
    reads: Phased<Tally>,
    t: Distribution,
    k: Distribution,
    /// How many reads of each session broke it, and could have.
    sessions: BTreeMap<NodeId, (u64, u64)>,
    witnesses: Vec<OperationId>,
}

impl Metric for Sessions {
    type Figures = Vec<GuaranteeFigures>;

    fn observe(&mut self, seen: &Seen<'_>) {
        let Some((read, place)) = seen.answered_read() else {
            return;
        };
        let guarantees = seen.judge.guarantees();
        for ((_, guarantee), kept) in GUARANTEES.iter().zip(&mut self.kept) {
            if let Some(guarantee) = guarantee(&guarantees) {
                kept.add(read, place, guarantee);
            }
        }
    }

    fn report(&self, run: &Run<'_>) -> Vec<GuaranteeFigures> {
        let all = GUARANTEES.iter().zip(&self.kept);
        all.map(|((name, _), kept)| kept.figures(name, run))
            .collect()
    }
}

impl Kept {
    fn add(&mut self, read: &Operation, place: Place, guarantee: Guarantee) {
        let is_broken = guarantee != Guarantee::Kept;
        self.reads.at(place.phase).add(place.block, is_broken);
        let session = self.sessions.entry(read.id.issuer()).or_default();
        *session = (session.0 + u64::from(is_broken), session.1 + 1);
        if let Guarantee::Broken(missing) = guarantee {
            self.t.add_time(missing.t);
            self.k.add(missing.k);
            if self.witnesses.len() < WITNESSES {
                self.witnesses.push(read.id);
            }
        }
    }

    fn figures(&self, name: &str, run: &Run<'_>) -> GuaranteeFigures {
        let sessions = self.sessions.iter();
        let mut worst: Vec<_> = sessions.filter(|(_, (broken, _))| *broken > 0).collect();
        let sessions_broken = worst.len() as u64;
        worst.sort_by_key(|(session, (broken, _))| (std::cmp::Reverse(*broken), **session));
        let share = |(session, (broken, of)): (&NodeId, &(u64, u64))| SessionShare {
            session: session.to_string(),
            broken: *broken,
            of: *of,
        };
        GuaranteeFigures {
            name: name.to_owned(),
            broken: shares(&self.reads.all(run), run.seed, name).whole,
            t_ms: self.t.spread(MS),
            k: self.k.spread(ONE),
            sessions: self.sessions.len() as u64,
            sessions_broken,
            worst: worst.into_iter().take(WORST).map(share).collect(),
            witnesses: self.witnesses.iter().map(OperationId::to_string).collect(),
        }
    }
}

type Says = fn(&Guarantees) -> Option<Guarantee>;

const GUARANTEES: [(&str, Says); 6] = [
    ("read_your_writes", |says| says.read_your_writes),
    ("read_your_writes_single_value", |says| {
        says.read_your_writes_single_value
    }),
    ("monotonic_reads", |says| says.monotonic_reads),
    ("monotonic_reads_single_value", |says| {
        says.monotonic_reads_single_value
    }),
    ("monotonic_writes", |says| says.monotonic_writes),
    ("writes_follow_reads", |says| says.writes_follow_reads),
];
const WITNESSES: usize = 5;
const WORST: usize = 3;
