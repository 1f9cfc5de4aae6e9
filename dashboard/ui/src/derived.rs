//! A value that follows from others, and wakes who reads it only when it changes.
//!
//! It is a [`Memo`] whose machinery is compiled once for all types: Leptos' own memos and signals cost kilobytes of
//! download for each type that they hold, and this page has some fifty.

use std::{any::Any, fmt, marker::PhantomData, sync::Arc};

use leptos::prelude::*;

/// A value that follows from others. Cheap to copy.
pub struct Derived<T> {
    memo: Memo<Shared>,
    of: PhantomData<fn() -> T>,
}

/// A value without its type.
#[derive(Clone)]
struct Shared(Arc<dyn Value>);

trait Value: Any + Send + Sync {
    fn equals(&self, other: &dyn Value) -> bool;
    fn as_any(&self) -> &dyn Any;
}

impl<T: PartialEq + Send + Sync + 'static> Value for T {
    fn equals(&self, other: &dyn Value) -> bool {
        other.as_any().downcast_ref::<T>() == Some(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl PartialEq for Shared {
    fn eq(&self, other: &Self) -> bool {
        self.0.equals(&*other.0)
    }
}

type Compute = Box<dyn Fn(Option<&Shared>) -> Shared + Send + Sync>;

/// Not generic, which is the point.
fn memo(compute: Compute) -> Memo<Shared> {
    Memo::new(compute)
}

impl<T: PartialEq + Send + Sync + 'static> Derived<T> {
    /// The value that `compute` returns, computed again when something that it reads changes.
    pub fn new(compute: impl Fn() -> T + Send + Sync + 'static) -> Self {
        Self::after(move |_| compute())
    }

    /// The same, where `compute` is given the value before.
    pub fn after(compute: impl Fn(Option<&T>) -> T + Send + Sync + 'static) -> Self {
        let compute = move |before: Option<&Shared>| {
            Shared(Arc::new(compute(before.and_then(|before| (*before.0).as_any().downcast_ref()))))
        };
        Self { memo: memo(Box::new(compute)), of: PhantomData }
    }

    /// Reads the value, and is told when it changes.
    pub fn with<U>(self, read: impl FnOnce(&T) -> U) -> U {
        read(Self::typed(&self.memo.get()))
    }

    /// Reads the value.
    pub fn with_untracked<U>(self, read: impl FnOnce(&T) -> U) -> U {
        read(Self::typed(&self.memo.get_untracked()))
    }

    fn typed(shared: &Shared) -> &T {
        (*shared.0).as_any().downcast_ref().expect("only values of its own type are put into a derived value")
    }
}

impl<T: Clone + PartialEq + Send + Sync + 'static> Derived<T> {
    /// The value; who asks is told when it changes.
    #[must_use]
    pub fn get(self) -> T {
        self.with(T::clone)
    }

    /// The value.
    #[must_use]
    pub fn get_untracked(self) -> T {
        self.with_untracked(T::clone)
    }
}

impl<T: Clone + PartialEq + Send + Sync + 'static> From<T> for Derived<T> {
    /// A value that never changes.
    fn from(value: T) -> Self {
        Self::new(move || value.clone())
    }
}

/// Runs, and runs again when something that it read changes. Leptos' own effect is compiled anew for each place that has one.
pub fn effect(run: impl FnMut() + 'static) {
    run_again(Box::new(run));
}

fn run_again(mut run: Box<dyn FnMut()>) {
    Effect::new(move |_| run());
}

impl<T> Clone for Derived<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Derived<T> {}

impl<T> fmt::Debug for Derived<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Derived").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn it_follows_and_readers_wake_only_when_it_changes() {
        static COMPUTED: AtomicU32 = AtomicU32::new(0);
        let owner = Owner::new();
        owner.set();
        let source = RwSignal::new(1);
        let half = Derived::new(move || source.get() / 2);
        let text = Derived::new(move || {
            COMPUTED.fetch_add(1, Ordering::Relaxed);
            format!("{}", half.get())
        });
        assert_eq!(text.get(), "0");
        source.set(4);
        assert_eq!(text.get(), "2");
        source.set(5);
        assert_eq!(text.get(), "2");
        assert_eq!(COMPUTED.load(Ordering::Relaxed), 2, "the half of 5 is the half of 4");
    }

    #[test]
    fn it_may_follow_from_itself() {
        let owner = Owner::new();
        owner.set();
        let source = RwSignal::new(Some(1));
        let last =
            Derived::after(move |before: Option<&Option<i32>>| source.get().or(before.copied().flatten()));
        assert_eq!(last.get(), Some(1));
        source.set(None);
        assert_eq!(last.get(), Some(1));
        assert_eq!(Derived::from(7).get(), 7);
    }
}
