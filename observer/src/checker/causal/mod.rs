//! Whether what processes saw of registers is causally consistent, by the patterns that must not be in it.
//!
//! A process's operations are ordered as it asked for them (PO), and a write comes before the reads that returned its value
//! (RF); what follows from both is the causal order, CO. Three consistencies are told apart. **CC**: every read is explained by
//! some order of the writes in its causal past. **CCv**: all agree on one order of the writes, as replicas that converge do.
//! **CM**: each process's reads are all explained by one order, as memories that apply writes one by one do. CCv and CM imply CC, and
//! neither implies the other.
//!
//! What is asked of an order of two writes of one key is this: a write in the past of a read, which returned another one,
//! comes before that other one. If the past is the causal one, such pairs are CF; if it grows by these pairs themselves, for
//! the reads of one process, it is HB.
//!
//! A write of unknown outcome happened if it was read; else it counts for nothing.
//!
//! Reference: Bouajjani, Enea, Guerraoui and Hamza, On verifying causal consistency, POPL 2017, §5 (bad patterns; tables 3
//! and 4). Departs from it in that for CM only the last operation of each process is looked at: what comes before an earlier
//! one comes before that too.

mod before;
mod pasts;
mod sessions;

use super::budget::{Budget, Doubt};
use super::report::Verdict;
use crate::recording::{Recording, Value};
use before::Before;
use pasts::Pasts;
use sessions::{Node, Sessions, Source};

/// What is found of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CausalReport {
    /// Causal consistency.
    pub cc: Consistency,
    /// Causal convergence.
    pub ccv: Consistency,
    /// Causal memory.
    pub cm: Consistency,
}

/// Whether a consistency was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consistency {
    /// Whether it was.
    pub verdict: Verdict,
    /// If not: what shows it.
    pub violation: Option<Violation>,
}

/// A pattern that must not be in a recording, and the operations that make it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which pattern.
    pub pattern: Pattern,
    /// Its operations, as indices in the recording. Of a cycle, each comes before the next, and the last before the
    /// first; of the others, in the order of the pattern's name: write and read; the read's own write, the one in between and the read.
    pub witness: Vec<usize>,
}

/// The patterns that must not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pattern {
    /// A read returned what nobody wrote.
    ThinAirRead,
    /// An operation comes before itself in CO.
    CyclicCo,
    /// A read returned the initial value although a write comes before it in CO.
    WriteCoInitRead,
    /// A read returned a value although another write comes between that and it in CO.
    WriteCoRead,
    /// There is no one order of the writes: CO and CF have a cycle.
    CyclicCf,
    /// A read returned the initial value although a write comes before it in the HB of its process.
    WriteHbInitRead,
    /// There is no order of the writes for one process: its HB has a cycle.
    CyclicHb,
}

impl CausalReport {
    /// The consistencies with their names, the weakest first.
    #[must_use]
    pub fn kinds(&self) -> [(&'static str, &Consistency); 3] {
        [("CC", &self.cc), ("CCv", &self.ccv), ("CM", &self.cm)]
    }
}

impl Pattern {
    /// Its name, as the paper has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ThinAirRead => "ThinAirRead",
            Self::CyclicCo => "CyclicCO",
            Self::WriteCoInitRead => "WriteCOInitRead",
            Self::WriteCoRead => "WriteCORead",
            Self::CyclicCf => "CyclicCF",
            Self::WriteHbInitRead => "WriteHBInitRead",
            Self::CyclicHb => "CyclicHB",
        }
    }
}

/// Checks a recording of registers, all of which begin with one value, and to each of which every value was written once.
/// Other functions than `read` and `write` count for nothing.
pub fn check(recording: &Recording, initial: &Value, budget: &mut Budget<'_>) -> CausalReport {
    let unknown = |doubt| Consistency {
        verdict: Verdict::Unknown(doubt),
        violation: None,
    };
    let found = |found: Result<Option<Violation>, Doubt>| match found {
        Ok(violation) => Consistency {
            verdict: match violation {
                Some(_) => Verdict::False,
                None => Verdict::True,
            },
            violation,
        },
        Err(doubt) => unknown(doubt),
    };
    let all = |consistency: Consistency| CausalReport {
        cc: consistency.clone(),
        ccv: consistency.clone(),
        cm: consistency,
    };
    let (sessions, causal) = match causal(recording, initial, budget) {
        Ok((sessions, Ok(causal))) => (sessions, causal),
        // Whatever is not CC is neither of the others.
        Ok((_, Err(violation))) => return all(found(Ok(Some(violation)))),
        Err(doubt) => return all(unknown(doubt)),
    };
    CausalReport {
        cc: found(Ok(None)),
        ccv: found(converges(&sessions, &causal, budget)),
        cm: found(is_memory(&sessions, &causal, budget)),
    }
}

/// The sessions and their causal order, or what is not CC in it.
fn causal(
    recording: &Recording,
    initial: &Value,
    budget: &mut Budget<'_>,
) -> Result<(Sessions, Result<Pasts, Violation>), Doubt> {
    let sessions = Sessions::new(recording, initial, budget)?;
    let violation = |pattern, nodes: &[u32]| sessions.violation(pattern, nodes);
    let found = 'found: {
        if let Some(read) = sessions.thin_air {
            let witness = vec![read];
            break 'found Err(Violation {
                pattern: Pattern::ThinAirRead,
                witness,
            });
        }
        let pasts = match Pasts::new(&sessions, &Before::default(), None, budget)? {
            Ok(pasts) => pasts,
            Err(cycle) => break 'found Err(violation(Pattern::CyclicCo, &cycle)),
        };
        for read in sessions.reads() {
            let Node { key, source, .. } = *sessions.node(read);
            budget.spend(sessions.writers(key))?;
            for write in sessions.last_writes(key, pasts.of(read)) {
                match source {
                    Source::Initial => {
                        break 'found Err(violation(Pattern::WriteCoInitRead, &[write, read]));
                    }
                    Source::Write(own) if own != write && pasts.precedes(&sessions, own, write) => {
                        break 'found Err(violation(Pattern::WriteCoRead, &[own, write, read]));
                    }
                    Source::Write(_) | Source::Itself => {}
                }
            }
        }
        Ok(pasts)
    };
    Ok((sessions, found))
}

/// What is against CCv.
fn converges(
    sessions: &Sessions,
    causal: &Pasts,
    budget: &mut Budget<'_>,
) -> Result<Option<Violation>, Doubt> {
    let mut conflicts = Before::default();
    for read in sessions.reads() {
        budget.spend(sessions.writers(sessions.node(read).key))?;
        conflicts.add_of(sessions, read, causal);
    }
    let cycle = Pasts::order(sessions, &conflicts, None, budget)?.err();
    Ok(cycle.map(|cycle| sessions.violation(Pattern::CyclicCf, &cycle)))
}

/// What is against CM.
fn is_memory(
    sessions: &Sessions,
    causal: &Pasts,
    budget: &mut Budget<'_>,
) -> Result<Option<Violation>, Doubt> {
    for last in sessions.lasts() {
        let reads = || sessions.reads_of(last);
        let mut before = Before::default();
        for read in reads() {
            budget.spend(sessions.writers(sessions.node(read).key))?;
            before.add_of(sessions, read, causal);
        }
        // What has come to be before something else may bring more of it.
        let mut grows = before.count() > 0;
        while grows {
            let past = Some(causal.of(last));
            let pasts = match Pasts::new(sessions, &before, past, budget)? {
                Ok(pasts) => pasts,
                Err(cycle) => return Ok(Some(sessions.violation(Pattern::CyclicHb, &cycle))),
            };
            let count = before.count();
            for read in reads() {
                let Node { key, source, .. } = *sessions.node(read);
                budget.spend(sessions.writers(key))?;
                if source == Source::Initial
                    && let Some(write) = sessions.last_writes(key, pasts.of(read)).next()
                {
                    return Ok(Some(
                        sessions.violation(Pattern::WriteHbInitRead, &[write, read]),
                    ));
                }
                before.add_of(sessions, read, &pasts);
            }
            grows = before.count() > count;
        }
    }
    Ok(None)
}
