//! Why a request is dropped, and in which state its pool was: told down to it, and up to who drops it.

use std::cell::{Cell, RefCell};

use poolscope_semconv::value::ErrorType;

use crate::registry::{Pool, PoolState};

thread_local! {
    static DROPPED_AS: Cell<ErrorType> = const { Cell::new(ErrorType::Canceled) };
    /// What the first pool in a drop has said, which is that of the request itself; its connect comes after.
    static NOTED: RefCell<Option<Box<PoolState>>> = const { RefCell::new(None) };
    /// What was dropped last was a request that had not been sent yet.
    static UNSENT: Cell<bool> = const { Cell::new(false) };
}

/// Puts back what holds outside of a drop, also when a destructor panics.
struct Outer {
    cause: ErrorType,
    noted: Option<Box<PoolState>>,
    is_unsent: bool,
}

impl Drop for Outer {
    fn drop(&mut self) {
        DROPPED_AS.set(self.cause);
        NOTED.set(self.noted.take());
        UNSENT.set(self.is_unsent);
    }
}

/// Drops requests whose end has a cause that they can't know themselves, and tells the state of the pool that the first of
/// them was in.
pub(crate) fn drop_as(cause: ErrorType, drop: impl FnOnce()) -> Option<Box<PoolState>> {
    let _outer =
        Outer { cause: DROPPED_AS.replace(cause), noted: NOTED.take(), is_unsent: UNSENT.replace(false) };
    drop();
    NOTED.take()
}

/// Why the request that is being dropped is dropped.
pub(crate) fn drop_cause() -> ErrorType {
    DROPPED_AS.get()
}

/// A request is dropped that was not sent yet: whoever let it through is dropped next, and learns that its end says nothing
/// about the destination.
#[cfg(feature = "limit")]
pub(crate) fn dropped_unsent() {
    UNSENT.set(drop_cause() != ErrorType::Canceled);
}

/// Whether the request that was just dropped had not been sent yet; told once.
#[cfg(feature = "breaker")]
pub(crate) fn take_unsent() -> bool {
    UNSENT.replace(false)
}

/// What is about to be dropped belongs to a pool. Its state is kept if who drops it wants to know.
pub(crate) fn dropped_from(pool: &Pool) {
    if drop_cause() != ErrorType::Canceled && NOTED.with_borrow(Option::is_none) {
        // Taken before it is kept: no destructor may find the place borrowed.
        let state = Box::new(pool.state());
        NOTED.set(Some(state));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pool_is_told_to_who_drops_and_to_nobody_else() {
        let (pool, other) = (Pool::unseen(), Pool::unseen());
        other.acquire_started();
        dropped_from(&pool);
        let told = drop_as(ErrorType::Timeout, || {
            assert_eq!(drop_cause(), ErrorType::Timeout);
            dropped_from(&pool);
            let nested = drop_as(ErrorType::Timeout, || dropped_from(&other));
            assert_eq!(nested.map(|state| state.waiting), Some(1));
            dropped_from(&other);
        });
        assert_eq!(told.map(|state| state.waiting), Some(0));
        assert_eq!(drop_as(ErrorType::Timeout, || ()), None);
        assert_eq!(drop_cause(), ErrorType::Canceled);
    }

    #[test]
    fn a_destructor_that_panics_leaves_no_mark() {
        let panicked = std::panic::catch_unwind(|| {
            drop_as(ErrorType::Timeout, || {
                dropped_from(&Pool::unseen());
                panic!("in a destructor");
            })
        });
        assert!(panicked.is_err());
        assert_eq!((drop_cause(), NOTED.take()), (ErrorType::Canceled, None));
    }
}
