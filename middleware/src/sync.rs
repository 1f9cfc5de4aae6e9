//! What threads share: of the standard library, or of loom where `--cfg poolscope_loom` is set, which runs a test in every
//! order that its threads can take. A name of our own, since `--cfg loom` changes other crates too.

#[cfg(poolscope_loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic};
#[cfg(not(poolscope_loom))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};

#[cfg(all(feature = "queue", not(poolscope_loom)))]
pub(crate) use atomic_waker::AtomicWaker;

#[cfg(all(feature = "queue", poolscope_loom))]
pub(crate) use loom::thread::yield_now;
#[cfg(all(feature = "queue", not(poolscope_loom)))]
pub(crate) use std::thread::yield_now;

use std::cell::Cell;

/// What `atomic-waker` promises, by a lock: loom can't look into that crate.
#[cfg(all(feature = "queue", poolscope_loom))]
#[derive(Debug)]
pub(crate) struct AtomicWaker(Mutex<Option<std::task::Waker>>);

#[cfg(all(feature = "queue", poolscope_loom))]
impl AtomicWaker {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(None))
    }

    pub(crate) fn register(&self, waker: &std::task::Waker) {
        *self.0.lock().unwrap() = Some(waker.clone());
    }

    pub(crate) fn wake(&self) {
        let waker = self.0.lock().unwrap().take();
        waker.into_iter().for_each(std::task::Waker::wake);
    }
}

/// A value that each thread has, begun by a constant.
#[cfg(not(poolscope_loom))]
macro_rules! thread_value {
    (static $name:ident: $type:ty = $begin:expr) => {
        std::thread_local! { static $name: $type = const { $begin } }
    };
}
#[cfg(poolscope_loom)]
macro_rules! thread_value {
    (static $name:ident: $type:ty = $begin:expr) => {
        loom::thread_local! { static $name: $type = $begin; }
    };
}
pub(crate) use thread_value;

thread_value!(static NUMBER: Cell<usize> = Cell::new(usize::MAX));

/// Number of this thread, to spread what threads write: small, and that of few other threads.
#[inline]
pub(crate) fn thread_number() -> usize {
    NUMBER.with(|number| match number.get() {
        usize::MAX => {
            number.set(next_number());
            number.get()
        }
        known => known,
    })
}

#[cfg(not(poolscope_loom))]
#[cold]
fn next_number() -> usize {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    THREADS.fetch_add(1, Relaxed) & (usize::MAX >> 1)
}

/// The same in every run of a test: 0, unless [`number_thread`] has told another.
#[cfg(poolscope_loom)]
fn next_number() -> usize {
    0
}

/// Gives this thread a number.
#[cfg(all(test, poolscope_loom))]
pub(crate) fn number_thread(number: usize) {
    NUMBER.with(|own| own.set(number));
}

/// How many groups threads are worth being spread over: a power of two.
#[cfg(not(poolscope_loom))]
pub(crate) fn lanes() -> usize {
    use std::sync::OnceLock;
    /// More are memory for little.
    const MOST: usize = 16;
    static LANES: OnceLock<usize> = OnceLock::new();
    *LANES.get_or_init(|| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        threads.min(MOST).next_power_of_two()
    })
}

/// Two, so that there are threads with and without company.
#[cfg(poolscope_loom)]
pub(crate) fn lanes() -> usize {
    2
}
