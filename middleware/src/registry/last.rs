//! The destination that this thread asked for last, so that the next request to it needs no look-up.
//!
//! To read host and port out of an authority and to hash them costs more than all the counting of a request. Most requests
//! of a thread go where the one before went, and for those a comparison of bytes is enough.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use http::Uri;
use http::uri::Authority;

use super::pool::Pool;

thread_local! {
    static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
}

/// A client, a destination as requests write it, and their pool, which is not kept alive by it.
struct Last {
    client: usize,
    is_https: bool,
    authority: Authority,
    pool: Weak<Pool>,
}

/// The pool of a destination, if the last request of this thread by the same client went there too.
pub(super) fn pool(client: usize, uri: &Uri) -> Option<Arc<Pool>> {
    LAST.with_borrow(|last| {
        let last = last.as_ref()?;
        let is_same = last.client == client
            && uri.authority().is_some_and(|authority| authority.as_str() == last.authority.as_str())
            && is_https(uri) == last.is_https;
        if is_same { last.pool.upgrade() } else { None }
    })
}

/// Remembers where a request went.
pub(super) fn remember(client: usize, uri: &Uri, pool: &Arc<Pool>) {
    let Some(authority) = uri.authority().cloned() else { return };
    let last = Last { client, is_https: is_https(uri), authority, pool: Arc::downgrade(pool) };
    // A thread that is about to end has nothing to remember any more.
    let _ = LAST.try_with(|kept| kept.replace(Some(last)));
}

fn is_https(uri: &Uri) -> bool {
    uri.scheme() == Some(&http::uri::Scheme::HTTPS)
}
