//! [`Window`]: the results of the last calls.

/// Results of the last N calls: a ring of bits and their sum, so that a call costs the same however many are kept.
#[derive(Debug, Clone)]
pub(super) struct Window {
    /// One bit for each place of the ring, set for a failure.
    failed: Box<[u64]>,
    size: usize,
    next: usize,
    calls: usize,
    failures: usize,
}

impl Window {
    pub(super) fn new(size: usize) -> Self {
        Self { failed: vec![0; size.div_ceil(64)].into_boxed_slice(), size, next: 0, calls: 0, failures: 0 }
    }

    /// Takes a result in, in the place of the oldest one once the window is full.
    pub(super) fn push(&mut self, failure: bool) {
        let (word, bit) = (self.next / 64, 1 << (self.next % 64));
        if self.calls < self.size {
            self.calls += 1;
        } else if self.failed[word] & bit != 0 {
            self.failures -= 1;
        }
        if failure {
            self.failed[word] |= bit;
            self.failures += 1;
        } else {
            self.failed[word] &= !bit;
        }
        self.next = (self.next + 1) % self.size;
    }

    pub(super) fn calls(&self) -> usize {
        self.calls
    }

    /// Share of failures; `None` below a minimum of calls.
    pub(super) fn failure_ratio(&self, minimum: usize) -> Option<f64> {
        (self.calls >= minimum.max(1)).then(|| self.failures as f64 / self.calls as f64)
    }

    pub(super) fn clear(&mut self) {
        (self.next, self.calls, self.failures) = (0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_calls_count() {
        let mut window = Window::new(10);
        for _ in 0..1_000 {
            window.push(false);
        }
        for failures in 1..=10_u32 {
            window.push(true);
            assert_eq!(window.failure_ratio(1), Some(f64::from(failures) / 10.0));
        }
        window.push(false);
        assert_eq!((window.calls(), window.failure_ratio(1)), (10, Some(0.9)));
    }

    #[test]
    fn it_agrees_with_a_plain_list_for_every_size() {
        for size in [1, 2, 63, 64, 65, 130] {
            let (mut window, mut list) = (Window::new(size), Vec::new());
            let mut random = fastrand::Rng::with_seed(7);
            for _ in 0..500 {
                let failure = random.bool();
                window.push(failure);
                list.push(failure);
                let last = &list[list.len().saturating_sub(size)..];
                let failures = last.iter().filter(|failure| **failure).count();
                assert_eq!(window.calls(), last.len());
                assert_eq!(window.failure_ratio(1), Some(failures as f64 / last.len() as f64));
            }
        }
    }

    #[test]
    fn below_the_minimum_there_is_no_ratio() {
        let mut window = Window::new(10);
        assert_eq!(window.failure_ratio(0), None);
        window.push(true);
        assert_eq!((window.failure_ratio(2), window.failure_ratio(1)), (None, Some(1.0)));
        window.clear();
        assert_eq!((window.calls(), window.failure_ratio(1)), (0, None));
    }
}
