//! How much time and memory a check may take, and what is said when it would need more.

use std::fmt::{Display, Formatter, Result as Formatted};

/// What a check may take. All that it computes with one budget, verdicts and scores, shares it.
pub struct Budget<'a> {
    memory: usize,
    is_over: &'a mut dyn FnMut() -> bool,
    unasked: usize,
    was_over: bool,
}

/// Why a check has no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Its time was over.
    Time,
    /// It would have needed more memory than this many bytes.
    Memory(usize),
    /// A read, which begins on this line of its file, returned several values of a register: siblings are no single value
    /// that could be placed.
    Siblings(u64),
    /// The write on this line wrote a value that its register had before: it is not known which write a read returned.
    ValueRepeats(u64),
}

impl<'a> Budget<'a> {
    /// At most this many bytes for what the search of one key remembers, and time until `is_over` says that it is over. Too little
    /// memory leaves searches without a verdict. `is_over` is asked every millisecond or so.
    pub fn new(memory: usize, is_over: &'a mut dyn FnMut() -> bool) -> Self {
        Self {
            memory,
            is_over,
            unasked: 0,
            was_over: false,
        }
    }

    /// Takes note of some steps, each of which takes a fraction of a microsecond.
    pub(crate) fn spend(&mut self, steps: usize) -> Result<(), Doubt> {
        self.unasked += steps;
        if self.unasked >= STEPS_BETWEEN_QUESTIONS {
            self.unasked = 0;
            self.was_over = self.was_over || (self.is_over)();
        }
        if self.was_over {
            return Err(Doubt::Time);
        }
        Ok(())
    }

    /// Sorts; a long array in parts, between which time is asked for: what is sorted already is only merged.
    pub(crate) fn sort<T, K: Ord>(
        &mut self,
        items: &mut [T],
        key: impl Fn(&T) -> K + Copy,
    ) -> Result<(), Doubt> {
        if items.len() > SORTED_AT_ONCE {
            let (one, other) = items.split_at_mut(items.len() / 2);
            self.sort(one, key)?;
            self.sort(other, key)?;
        }
        self.spend(items.len())?;
        items.sort_by_key(key);
        Ok(())
    }

    /// Tells whether a search may hold so many bytes.
    pub(crate) fn hold(&self, bytes: usize) -> Result<(), Doubt> {
        if bytes > self.memory {
            return Err(Doubt::Memory(self.memory));
        }
        Ok(())
    }
}

impl Display for Doubt {
    fn fmt(&self, f: &mut Formatter<'_>) -> Formatted {
        match self {
            Self::Time => f.write_str("the time was over"),
            Self::Memory(bytes) => write!(f, "the search needs more than {bytes} bytes"),
            Self::Siblings(line) => write!(f, "the read on line {line} returned siblings"),
            Self::ValueRepeats(line) => {
                write!(
                    f,
                    "the write on line {line} wrote a value for the second time"
                )
            }
        }
    }
}

const STEPS_BETWEEN_QUESTIONS: usize = 4096;
const SORTED_AT_ONCE: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_sorted_into_a_whole() {
        let mut never = || false;
        let mut budget = Budget::new(0, &mut never);
        let mut items: Vec<u64> = (0..200_000).map(|item| item * 7_919 % 200_000).collect();
        assert_eq!(budget.sort(&mut items, |item| *item), Ok(()));
        assert!(items.into_iter().eq(0..200_000));
    }

    #[test]
    fn what_was_over_once_is_over_for_good() {
        let mut answers = [true, false].into_iter();
        let mut is_over = || answers.next().unwrap_or(false);
        let mut budget = Budget::new(100, &mut is_over);
        assert_eq!(budget.spend(STEPS_BETWEEN_QUESTIONS - 1), Ok(()));
        assert_eq!(budget.spend(1), Err(Doubt::Time));
        assert_eq!(
            budget.spend(STEPS_BETWEEN_QUESTIONS),
            Err(Doubt::Time),
            "nobody turns time back"
        );
        assert_eq!(budget.sort(&mut [2, 1], |item| *item), Err(Doubt::Time));
        assert_eq!(budget.hold(100), Ok(()));
        assert_eq!(budget.hold(101), Err(Doubt::Memory(100)));
    }
}
