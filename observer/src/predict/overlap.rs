//! What is known of quorums without their latencies: how likely they miss each other, where writes spread no further
//! than to their quorum.
//!
//! Reference: Bailis et al., Probabilistically bounded staleness for practical partial quorums, VLDB 2012, §3.1 to §3.3;
//! D. Malkhi, M. Reiter, A. Wool, R. Wright, Probabilistic quorum systems, Information and Computation 170 (2001).

use super::Quorums;

impl Quorums {
    /// p_s = C(N − W, R) / C(N, R): how likely R replicas miss all of W.
    #[must_use]
    pub fn miss(self) -> f64 {
        let Self { n, r, w } = self;
        // Each of the R in turn is one of those that are left, and not among the W.
        (0..r).fold(1.0, |missed, taken| {
            missed * n.saturating_sub(w + taken) as f64 / (n - taken) as f64
        })
    }

    /// P(lag ≥ k) ≤ p_s^k: how likely a read misses each of the k newest writes.
    #[must_use]
    pub fn lag_of(self, k: u32) -> f64 {
        libm::pow(self.miss(), f64::from(k))
    }

    /// p_s^(1 + γgw/γcr): how likely a client's read is older than its last, `writes` writes of the key coming between
    /// its reads on average.
    #[must_use]
    pub fn not_monotonic(self, writes: f64) -> f64 {
        libm::pow(self.miss(), 1.0 + writes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, the closed forms are not the paper's.
    #[test]
    fn quorums_miss_each_other_as_often_as_combinatorics_says() {
        let check = |n, r, w, miss: f64| {
            let quorums = Quorums { n, r, w };
            assert!((quorums.miss() - miss).abs() < 1e-12, "{quorums:?}");
        };
        check(3, 1, 1, 2.0 / 3.0);
        check(3, 1, 2, 1.0 / 3.0);
        check(3, 2, 1, 1.0 / 3.0);
        check(3, 2, 2, 0.0);
        check(3, 3, 1, 0.0);
        // C(7, 2) / C(10, 2) = 21 / 45, and C(3, 3) / C(6, 3) = 1 / 20
        check(10, 2, 3, 21.0 / 45.0);
        check(6, 3, 3, 1.0 / 20.0);
        // §3.1: N = 100, R = W = 30 miss each other with 1.88 · 10⁻⁶.
        let large = Quorums {
            n: 100,
            r: 30,
            w: 30,
        };
        assert!(
            (large.miss() - 1.88e-6).abs() < 0.005e-6,
            "{}",
            large.miss()
        );
    }

    /// §3.2: with N = 3 and R = W = 1, a read is within 2, 3 and 5 versions with 5/9, 0.703 and more than 0.868.
    #[test]
    fn lag_and_monotonic_reads_are_powers_of_a_miss() {
        let quorums = Quorums { n: 3, r: 1, w: 1 };
        for (k, within) in [
            (1, 1.0 / 3.0),
            (2, 5.0 / 9.0),
            (3, 19.0 / 27.0),
            (5, 211.0 / 243.0),
        ] {
            assert!((1.0 - quorums.lag_of(k) - within).abs() < 1e-12, "{k}");
        }
        assert!((quorums.not_monotonic(1.0) - 4.0 / 9.0).abs() < 1e-12);
        assert!((quorums.not_monotonic(0.0) - 2.0 / 3.0).abs() < 1e-12);
    }
}
