//! What becomes of one message: which copies of it arrive, when, and what its sender gets instead.

use smallvec::{SmallVec, smallvec};
use std::borrow::Cow;
use std::time::Duration;
use tidemark_proto::event::Verdict;

/// What becomes of one message. Without copies it is lost; with two it is duplicated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    /// What arrives.
    pub copies: SmallVec<[Copy; 1]>,
    /// The status that answers the call in place of its receiver.
    pub answer: Option<Answer>,
    /// Whether the call is reset.
    pub reset: bool,
    /// The rules that had a hand in it.
    pub touched_by: RuleSet,
}

impl Fate {
    /// It arrives at once, once and whole.
    #[must_use]
    pub fn delivered() -> Self {
        Self {
            copies: smallvec![Copy::default()],
            answer: None,
            reset: false,
            touched_by: RuleSet::default(),
        }
    }

    /// The fate in one word.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match (self.reset, &self.answer, self.copies.len()) {
            (true, _, _) => Verdict::Reset,
            (false, Some(_), _) => Verdict::Answered,
            (false, None, 0) => Verdict::Lost,
            (false, None, 1) => Verdict::Delivered,
            (false, None, _) => Verdict::Duplicated,
        }
    }

    /// The delay of the first copy; zero without one.
    #[must_use]
    pub fn delay(&self) -> Duration {
        self.copies
            .first()
            .map_or(Duration::ZERO, |copy| copy.delay)
    }
}

/// One arrival of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copy {
    /// How long after it was sent.
    pub delay: Duration,
    /// What happens to its bytes; none: nothing.
    pub corruption: Option<Corruption>,
}

/// One bit of a payload flips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corruption {
    /// Decides which bit.
    pub seed: u64,
}

impl Corruption {
    /// Flips the bit; an empty payload stays as it is.
    pub fn apply(self, payload: &mut [u8]) {
        if let Some(place) = self.seed.checked_rem(payload.len() as u64 * 8) {
            payload[(place / 8) as usize] ^= 1 << (place % 8);
        }
    }
}

/// A gRPC status in place of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// gRPC's number of the status.
    pub code: u32,
    /// The status message.
    pub message: Cow<'static, str>,
}

/// A set of rules, by their places in the network's order; at most 64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleSet(u64);

impl RuleSet {
    /// How many rules there can be.
    pub const LIMIT: usize = 64;

    /// Adds the rule at `place`.
    pub fn insert(&mut self, place: usize) {
        debug_assert!(place < Self::LIMIT);
        self.0 |= 1 << place;
    }

    /// Whether no rule is in it.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether both sets have a rule in common.
    #[must_use]
    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The places of its rules, in order.
    pub fn places(self) -> impl Iterator<Item = usize> {
        (0..Self::LIMIT).filter(move |place| self.0 >> place & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_follows_from_copies_answer_and_reset() {
        let mut fate = Fate::delivered();
        assert_eq!(fate.verdict(), Verdict::Delivered);
        fate.copies.push(Copy::default());
        assert_eq!(fate.verdict(), Verdict::Duplicated);
        fate.copies.clear();
        assert_eq!(fate.verdict(), Verdict::Lost);
        fate.answer = Some(Answer {
            code: 14,
            message: "".into(),
        });
        assert_eq!(fate.verdict(), Verdict::Answered);
        fate.reset = true;
        assert_eq!(fate.verdict(), Verdict::Reset);
    }

    #[test]
    fn corruption_flips_exactly_one_bit() {
        for seed in 0..100 {
            let mut payload = [0u8; 5];
            Corruption { seed }.apply(&mut payload);
            let flipped: u32 = payload.iter().map(|byte| byte.count_ones()).sum();
            assert_eq!(flipped, 1, "{seed}");
        }
        Corruption { seed: 1 }.apply(&mut []);
    }

    #[test]
    fn a_set_lists_its_rules_in_order() {
        let mut set = RuleSet::default();
        for place in [63, 0, 7] {
            set.insert(place);
        }
        assert_eq!(set.places().collect::<Vec<_>>(), [0, 7, 63]);
    }
}
