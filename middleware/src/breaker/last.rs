//! The breaker that this thread has used last, lent to its next call.
//!
//! To read host and port out of a URI, to look a breaker up and to count who has it costs many times what the breaker itself
//! does. Most calls of a thread go where the one before went, and for those a comparison of bytes is enough.

use std::cell::Cell;
use std::sync::Arc;

use super::circuit::Circuit;
use crate::http_message::Target;
use crate::sync::thread_value;

thread_value!(static LAST: Cell<Option<Arc<Circuit>>> = Cell::new(None));

/// The breaker that this thread has used last, if it is that of a target in a layer.
#[inline]
pub(super) fn take(layer: u64, target: Target<'_>) -> Option<Arc<Circuit>> {
    LAST.with(|last| {
        let circuit = last.take()?;
        if circuit.is_of(layer, target) {
            return Some(circuit);
        }
        last.set(Some(circuit));
        None
    })
}

/// A call is over, and the next one may have its breaker.
#[inline]
pub(super) fn remember(circuit: Arc<Circuit>) {
    // A thread that is about to end has nothing to remember any more.
    let _ = LAST.try_with(|last| last.set(Some(circuit)));
}
